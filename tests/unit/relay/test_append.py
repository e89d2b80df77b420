# SPDX-License-Identifier: Apache-2.0
"""A file of an alias grows by whole messages, and nothing else is written to."""

import errno
import fcntl
import mailbox
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.host import durable
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import StoreUnusable
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.relay.base import Delivery
from maildropd.relay.local import append
from maildropd.relay.local.append import FileTransport
from tests.fakes.relay import alive, delivery

DELIVERED, DEFERRED, _ = Disposition
BODY = b"Subject: x\r\n\r\nFrom here\r\n"


def wanting(*paths: Path, content: bytes = BODY) -> Delivery:
    names = [f"r{n}@example.net" for n in range(len(paths))]
    terms = tuple(Terms(run=str(path)) for path in paths)
    return replace(delivery(*names, content=content), terms=terms)


def appended(path: Path) -> Outcome:
    transport = FileTransport()
    (outcome,) = transport.attempt(wanting(path), alive)
    transport.close()
    assert outcome.relay == "file"
    return outcome


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "box"


def refused(path: Path, why: str) -> None:
    outcome = appended(path)

    assert outcome.disposition is DEFERRED
    assert why in outcome.reply.text
    assert str(path) in outcome.reply.text


def test_a_message_is_appended_as_readers_of_mbox_expect_it(box: Path) -> None:
    assert appended(box).disposition is DELIVERED
    assert appended(box).disposition is DELIVERED

    lines = box.read_bytes().split(b"\n")
    assert lines[0].startswith(b"From alice@example.org ")
    assert lines[1:7] == [
        b"Return-Path: <alice@example.org>",
        b"Delivered-To: r0@example.net",
        b"Subject: x",
        b"",
        b">From here",
        b"",
    ]
    with closing(mailbox.mbox(box, create=False)) as found:
        assert [mail["Subject"] for mail in found] == ["x", "x"]
    assert box.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [b"", b"From a\nSub", b"From a\n", b"From a\n\n"])
def test_it_begins_behind_an_empty_line_whatever_was_there(
    before: bytes, box: Path
) -> None:
    """A crash may have cut off what somebody wrote last."""
    box.write_bytes(before)

    appended(box)

    octets = box.read_bytes()
    assert octets.startswith(before)
    assert octets.count(b"\n\nFrom alice") == bool(before)


def test_nothing_but_a_plain_file_is_written_to(tmp_path: Path, box: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    link, pipe, twin = (tmp_path / name for name in ("link", "pipe", "twin"))
    link.symlink_to(other)
    (tmp_path / "dangling").symlink_to(box)
    os.mkfifo(pipe)

    refused(link, "symbolic links")
    refused(tmp_path / "dangling", "symbolic links")
    refused(pipe, "plain file")
    refused(tmp_path, "directory")
    refused(Path("/dev/null"), "plain file")
    refused(tmp_path / "no" / "box", "No such file")
    twin.hardlink_to(other)
    refused(twin, "several names")
    assert other.read_text() == "precious"
    assert not box.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_left_alone(box: Path) -> None:
    """He could put another in its place at any moment."""
    box.touch()
    os.chown(box, 1000, 1000)

    refused(box, "belongs neither")
    assert box.read_bytes() == b""


def test_a_lock_is_waited_for(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "_TRIES", 2)
    box.touch()
    with box.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        refused(box, "locked")

    assert appended(box).disposition is DELIVERED


def test_a_stop_waits_for_no_lock(box: Path) -> None:
    box.touch()
    transport = FileTransport()
    transport.abort()
    with box.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        (outcome,) = transport.attempt(wanting(box), alive)

    assert outcome.disposition is DEFERRED


def test_a_file_that_was_replaced_meanwhile_is_looked_at_again(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when logs are rotated between opening and locking."""
    real = fcntl.flock

    def rotate(descriptor: int, how: int) -> None:
        box.rename(box.with_name("box.1"))
        box.touch()
        real(descriptor, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", rotate)
        refused(box, "replaced")

    assert box.with_name("box.1").read_bytes() == box.read_bytes() == b""


class FullDisk:
    """The real ``os``, but that writes end in the middle of one."""

    def __init__(self, room: int, fails: str) -> None:
        self._room, self._fails = room, fails

    def write(self, descriptor: int, octets: memoryview) -> int:
        if self._fails == "write" and not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = octets[: self._room] if self._fails == "write" else octets
        self._room -= min(len(part), self._room)
        return os.write(descriptor, part)

    def fsync(self, descriptor: int) -> None:
        if self._fails == "fsync":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@pytest.mark.parametrize(("room", "fails"), [(0, "write"), (70, "write"), (0, "fsync")])
def test_what_a_full_disk_cuts_off_is_taken_back(
    room: int, fails: str, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended(box)
    before = box.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(durable, "os", FullDisk(room, fails))
        outcome = appended(box)

    assert (outcome.disposition, outcome.reply.code) == (DEFERRED, 452)
    assert box.read_bytes() == before


@pytest.mark.parametrize("first", [False, True])
def test_content_that_cannot_be_read_is_appended_to_none_twice(
    tmp_path: Path, *, first: bool
) -> None:
    left = iter([[BODY]] * first)

    def blocks() -> Iterator[bytes]:
        for octets in left:
            return iter(octets)
        raise StoreUnusable("out of descriptors")

    one, two = tmp_path / "one", tmp_path / "two"
    mail = replace(wanting(one, two), content=blocks)

    if first:
        outcomes = FileTransport().attempt(mail, alive)
        assert [each.disposition for each in outcomes] == [DELIVERED, DEFERRED]
        assert two.read_bytes() == b""
    else:
        with pytest.raises(StoreUnusable):
            FileTransport().attempt(mail, alive)
        assert one.read_bytes() == b""


def test_no_descriptor_stays_open(box: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    for path in (box, box, Path("/dev/null")):
        appended(path)

    assert len(os.listdir("/proc/self/fd")) <= before
