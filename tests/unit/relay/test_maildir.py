# SPDX-License-Identifier: Apache-2.0
"""Captured mail lies in a Maildir, whole and once; trouble of the disk waits."""

import errno
import mailbox
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.host import durable
from maildropd.mail.errors import RouteError, StoreUnusable
from maildropd.mail.outcome import Disposition
from maildropd.relay.local.maildir import MaildirTransport
from tests.crash.failing_os import FailingOs
from tests.fakes.relay import alive, delivery

CALLS = 30  # at least as many as one message makes


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return tmp_path / "of" / "staging"


@pytest.fixture
def transport(maildir: Path) -> MaildirTransport:
    return MaildirTransport(maildir, "host:1.example")


def test_a_message_is_there_once_for_all_its_recipients(
    transport: MaildirTransport, maildir: Path
) -> None:
    mail = delivery(
        "bob@example.net", "eve@example.net", content=b"Subject: x\r\n\r\nx"
    )

    outcomes = transport.attempt(mail, alive)

    assert [each.disposition for each in outcomes] == [Disposition.DELIVERED] * 2
    assert {each.relay for each in outcomes} == {f"maildir:{maildir}"}
    (file,) = (maildir / "new").iterdir()
    assert file.name in outcomes[0].reply.text
    assert file.read_bytes() == (
        b"Return-Path: <alice@example.org>\n"
        b"X-Original-To: bob@example.net\n"
        b"X-Original-To: eve@example.net\n"
        b"Subject: x\n\nx"
    )
    assert os.listdir(maildir / "tmp") == []


def test_other_programs_know_it_for_a_maildir(
    transport: MaildirTransport, maildir: Path
) -> None:
    for number in (1, 2):
        transport.attempt(delivery(number=number), alive)

    found = mailbox.Maildir(maildir, create=False)

    assert [mail["Subject"] for mail in found] == ["hello", "hello"]
    assert maildir.stat().st_mode & 0o77 == 0
    for file in (maildir / "new").iterdir():
        assert ":" not in file.name  # it begins what a reader adds
        assert file.stat().st_mode & 0o777 == 0o600


def test_an_attempt_whose_outcome_was_lost_makes_no_second_file(
    transport: MaildirTransport, maildir: Path
) -> None:
    first = transport.attempt(delivery(), alive)
    again = MaildirTransport(maildir, "host:1.example").attempt(delivery(), alive)

    assert again == first
    assert len(os.listdir(maildir / "new")) == 1
    assert os.listdir(maildir / "tmp") == []


def test_other_recipients_of_a_message_have_a_file_of_their_own(
    transport: MaildirTransport, maildir: Path
) -> None:
    transport.attempt(delivery("bob@example.net"), alive)
    transport.attempt(delivery("eve@example.net"), alive)

    assert len(os.listdir(maildir / "new")) == 2


def test_nothing_in_an_envelope_makes_a_line_of_its_own(
    transport: MaildirTransport, maildir: Path
) -> None:
    transport.attempt(delivery('"a\nBcc: x"@example.net', sender=None), alive)

    (file,) = (maildir / "new").iterdir()
    lines = file.read_bytes().split(b"\n")
    assert lines[:2] == [b"Return-Path: <>", b'X-Original-To: "a Bcc: x"@example.net']


@pytest.mark.parametrize("step", range(1, CALLS))
def test_what_a_disk_refuses_waits_and_leaves_nothing_by_halves(
    step: int,
    transport: MaildirTransport,
    maildir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let each system call fail in turn; then the same attempt goes through."""
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        patch.setattr(durable, "os", FailingOs(step, full))
        try:
            transport.attempt(delivery(), alive)
            refused = None
        except RouteError as error:
            refused = error.reply
    assert refused is None or refused.code == 452
    files = list((maildir / "new").iterdir()) if (maildir / "new").exists() else []
    assert len(files) == (refused is None)

    transport.attempt(delivery(), alive)

    (file,) = (maildir / "new").iterdir()
    assert file.read_bytes().endswith(b"How do you do?\n")
    assert os.listdir(maildir / "tmp") == []


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RouteError) as raised:
        MaildirTransport(tmp_path / "file" / "box", "host").attempt(delivery(), alive)

    assert raised.value.reply.code == 451
    assert raised.value.reply.text == f"{tmp_path}/file/box: Not a directory"


def test_content_that_cannot_be_read_leaves_no_file(
    transport: MaildirTransport, maildir: Path
) -> None:
    """It is the store's trouble, and passes through."""

    def broken() -> Iterator[bytes]:
        yield b"Subject: x\n"
        raise StoreUnusable("out of descriptors")

    with pytest.raises(StoreUnusable):
        transport.attempt(replace(delivery(), content=broken), alive)

    assert os.listdir(maildir / "new") == os.listdir(maildir / "tmp") == []
