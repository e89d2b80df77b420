# SPDX-License-Identifier: Apache-2.0
"""Mail of some size: it takes memory and time, and both have bounds."""

import os
from datetime import timedelta

import pytest

from maildropd.edge.spool.file import OpenFile
from tests.fakes.policies import ALICE, Policies
from tests.unit.spool.stage import MAIL, Stage


def test_what_waits_for_the_store_is_bounded_in_octets_too(stage: Stage) -> None:
    """Two hundred mails of 250 KB each were 50 MB, and twice that in the end."""
    most = 0

    def count() -> None:
        nonlocal most
        under_way = stage.pickup._taker._under_way
        most = max(
            most, sum(each.sight.status.st_size for each, _, _ in under_way._waiting)
        )

    stage.store.while_storing = count
    for number in range(100):
        stage.write(f"mail{number}", MAIL + b"x" * 250_000)

    stage.rest()

    assert len(stage.contents) == 100
    assert most <= 8 * 1024 * 1024


def test_recipients_that_wait_for_the_store_count_too(stage: Stage) -> None:
    """Two hundred small files can name two million."""
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(stage.pickup._taker._under_way))

    stage.store.while_storing = count
    names = ",".join(f"a@{number}" for number in range(5_000)).encode()
    for number in range(50):
        stage.write(f"mail{number}", b"##To:" + names + b"\n\ntext")

    stage.rest()

    assert len(stage.contents) == 50
    assert 1 < most < 15


def test_a_large_mail_on_a_slow_disk_is_no_hung_spool(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog killed a daemon that was still reading, again and again."""
    late: list[str] = []
    read = OpenFile._read

    def slowly(file: OpenFile, most: int) -> bytes:
        stage.clock.forward(timedelta(seconds=40))
        late.extend(stage.heartbeats.late())
        return read(file, most)

    monkeypatch.setattr(OpenFile, "_read", slowly)
    stage.write("mail", MAIL + b"x" * 900_000)

    stage.closed("mail")

    assert len(stage.contents) == 1
    assert late == []


def test_blanks_at_the_end_of_the_first_piece_are_no_empty_mail(stage: Stage) -> None:
    """It was set aside for want of a message, which stood in the next piece."""
    head = b"##Note:" + b"x" * 262_110 + b"\n##To:bob@example.net\n"
    text = b"\n" * (262_144 - len(head)) + b"hello\n"
    assert 2 <= text.count(b"\n") - 1 < 100
    stage.write("mail", head + text)

    stage.rest()

    assert stage.contents == [text]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave it to others")
@pytest.mark.parametrize("cut", [b"ws\nMIME", b"st@lists", b"\n<p>"])
def test_a_header_behind_an_envelope_of_thousands_is_read_whole(
    stage: Stage, cut: bytes
) -> None:
    """The end of the first piece is not the end of the header."""
    mail = (
        b"To: list@lists.example.net\nSubject: news\nMIME-Version: 1.0\n"
        b"Content-Type: text/html\n\n<p>hello</p>\n"
    )
    envelope = b"##To:bob@example.net\n##Note:"
    envelope += b"x" * (262_144 - len(envelope) - mail.index(cut) - 1) + b"\n"
    stage.restart(Policies(stage.path.parent).gate())
    os.chown(stage.write("mail", envelope + mail), ALICE, -1)

    stage.rest()

    assert stage.contents == [mail]
