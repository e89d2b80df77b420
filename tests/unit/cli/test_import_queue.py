# SPDX-License-Identifier: Apache-2.0
"""maildropctl import-queue: all of it is safe here before any of it goes there."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maildropd.cli.desk import Failed
from maildropd.cli.import_aside import Aside
from maildropd.cli.import_door import as_sent
from maildropd.cli.import_queue import Import, key_of
from maildropd.cli.import_run import unfit
from maildropd.client.errors import NotAccepted
from maildropd.foreign.maildrophost.queue import queued
from maildropd.foreign.queued import Queued

MAIL = b"##To:bob@example.net\n##From:a@example.org\nSubject: %d\n\nhi\n"


@dataclass
class FakeDoor:
    """A daemon that stores a key once, and can be full or strict."""

    room: int = 1000
    refuses: str = ""
    stored: dict[str, tuple[Queued, bool]] = field(default_factory=dict)

    def take(self, mail: Queued, key: str, *, hold: bool) -> str:
        if self.refuses in mail.recipients:
            raise NotAccepted("no such user", 550, "5.1.1", mail.recipients)
        if key not in self.stored and len(self.stored) == self.room:
            raise Failed("maildropd takes no mail now: 452 4.3.1 disk full")
        self.stored.setdefault(key, (mail, hold))
        return key[:12]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    for number in range(10):
        (folder / str(100_000 + number)).write_bytes(MAIL % number)
    (folder / "100009.lck").write_text("locked")
    (folder / "junk").write_bytes(b"no mail\n")
    return folder


@pytest.fixture
def aside(tmp_path: Path) -> Aside:
    return Aside(tmp_path / "quarantine", (os.getuid(), os.getgid()))


Work = Callable[..., Import]


@pytest.fixture
def work(spool: Path) -> Work:
    def work(*, hold: bool = False) -> Import:
        return Import(system="maildrophost", folder=spool, read=queued, hold=hold)

    return work


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_plan_says_what_would_be_and_touches_nothing(work: Work, spool: Path) -> None:
    before, planned = names(spool), work()

    said = list(planned.plan())

    assert planned.summary() == "11 mails: 9 queued, 1 held, 1 quarantined, 0 left"
    assert [line.partition(":")[0] for line in sorted(said)] == ["held", "quarantined"]
    assert names(spool) == before


def test_every_mail_is_queued_held_or_quarantined(
    work: Work, spool: Path, aside: Aside, tmp_path: Path
) -> None:
    door, bringing, before = FakeDoor(), work(), names(spool)

    list(bringing.bring(door, aside))
    bringing.check()

    assert bringing.summary() == "11 mails: 9 queued, 1 held, 1 quarantined, 0 left"
    held = [mail.path.name for mail, hold in door.stored.values() if hold]
    assert held == ["100009"]
    copy, reason = names(tmp_path / "quarantine")
    assert (tmp_path / "quarantine" / copy).read_bytes() == b"no mail\n"
    assert "##To:" in (tmp_path / "quarantine" / reason).read_text()
    assert names(spool) == before


def test_what_is_safe_here_is_removed_there_with_its_locks(
    work: Work, spool: Path, aside: Aside
) -> None:
    bringing = work()
    list(bringing.bring(FakeDoor(), aside))

    (said,) = bringing.remove()

    assert said == f"11 mails removed from {spool}"
    assert names(spool) == []


def test_again_brings_nothing_twice(work: Work, aside: Aside, tmp_path: Path) -> None:
    door = FakeDoor()
    list(work().bring(door, aside))
    before = dict(door.stored), names(tmp_path / "quarantine")

    again = work()
    list(again.bring(door, aside))
    again.check()

    assert (door.stored, names(tmp_path / "quarantine")) == before


def test_a_full_disk_in_the_middle_loses_nothing(
    work: Work, spool: Path, aside: Aside
) -> None:
    door, before = FakeDoor(room=4), names(spool)
    with pytest.raises(Failed, match="disk full"):
        list(work().bring(door, aside))
    assert names(spool) == before

    door.room, again = 1000, work()
    list(again.bring(door, aside))
    again.check()

    assert len(door.stored) == 10


def test_what_has_changed_meanwhile_is_left(
    work: Work, spool: Path, aside: Aside
) -> None:
    bringing = work()
    list(bringing.bring(FakeDoor(), aside))
    (spool / "100003").write_bytes(MAIL % 33)
    (spool / "new").write_bytes(MAIL % 34)

    said = list(bringing.remove())

    assert names(spool) == ["100003", "new"]
    assert [
        f"{spool / name}: is new, or has changed: run this again"
        for name in (*("100003", "new"),)
    ] == sorted(said[:-1])


def test_two_mails_that_are_the_same_to_the_octet_are_two(
    work: Work, spool: Path, aside: Aside
) -> None:
    """A reminder without a date is written again every night."""
    for name in ("1", "2"):
        (spool / name).write_bytes(MAIL % 1)
        os.utime(spool / name, ns=(5, 5))
    bringing, door = work(), FakeDoor()

    list(bringing.bring(door, aside))
    bringing.check()

    assert len(door.stored) == 12


def test_what_is_refused_here_is_quarantined_with_what_was_said(
    work: Work, aside: Aside, tmp_path: Path
) -> None:
    bringing = work()

    list(bringing.bring(FakeDoor(refuses="bob@example.net"), aside))
    bringing.check()

    assert bringing.summary() == "11 mails: 0 queued, 0 held, 11 quarantined, 0 left"
    reasons = [*(tmp_path / "quarantine").glob("*-100000.reason")]
    assert "550 5.1.1 no such user" in reasons[0].read_text()


def test_all_of_it_can_be_held(work: Work, aside: Aside) -> None:
    door = FakeDoor()

    list(work(hold=True).bring(door, aside))

    assert all(hold for _, hold in door.stored.values())


def test_what_is_no_file_is_left_and_never_waited_for(
    work: Work, spool: Path, aside: Aside
) -> None:
    os.mkfifo(spool / "fifo")
    (spool / "link").symlink_to(spool / "100000")
    (spool / "folder").mkdir()
    bringing = work()

    said = list(bringing.bring(FakeDoor(), aside))
    list(bringing.remove())

    assert bringing.numbers["left"] == 2
    assert names(spool) == ["fifo", "folder", "link"]
    assert any(line.startswith(f"left: {spool / 'link'}: ") for line in said)


def test_numbers_that_do_not_agree_are_an_error(work: Work, aside: Aside) -> None:
    class Forgetful(FakeDoor):
        def take(self, mail: Queued, key: str, *, hold: bool) -> str:
            super().take(mail, key, hold=hold)
            return "always the same"

    bringing = work()
    list(bringing.bring(Forgetful(), aside))

    with pytest.raises(Failed, match="10 mails taken, 1 in the queue"):
        bringing.check()


def test_a_quarantine_without_room_stops_it(
    work: Work, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").write_text("in the way")
    aside = Aside(tmp_path / "quarantine", (0, 0))
    before = names(spool)

    with pytest.raises(Failed, match="cannot be set aside"):
        list(work().bring(FakeDoor(), aside))

    assert names(spool) == before


@pytest.mark.parametrize(
    ("user", "owner", "checked", "words"),
    [
        (0, 999, True, ""),
        (999, 999, False, ""),
        (999, 999, True, "in your own name"),
        (1000, 999, False, "for root and the daemon's own user"),
    ],
)
def test_only_who_may_keep_the_senders_brings_mail(
    user: int, owner: int, words: str, *, checked: bool
) -> None:
    found = unfit(user, owner, checked=checked)

    assert words in found
    assert bool(found) is bool(words)


def test_a_key_tells_files_and_contents_apart(spool: Path) -> None:
    first, second, *_ = queued(spool)

    assert key_of("maildrophost", first) == key_of("maildrophost", first)
    assert key_of("maildrophost", first) != key_of("maildrophost", second)
    assert key_of("maildrophost", first) != key_of("nullmailer", first)


def test_a_mail_that_is_written_again_tomorrow_is_another(spool: Path) -> None:
    """A program may write the same reminder into a file of the same name."""
    first = next(iter(queued(spool)))
    key = key_of("maildrophost", first)

    os.utime(first.path, ns=(0, first.path.stat().st_mtime_ns + 1))

    assert key_of("maildrophost", first) != key


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"a: b\n\nhi", b"a: b\r\n\r\nhi\r\n"),
        (b"a: b\r\n\r\nhi\r\n", b"a: b\r\n\r\nhi\r\n"),
        (b"a: b\r\rhi\n", b"a: b\r\n\r\nhi\r\n"),
    ],
)
def test_line_ends_are_those_of_smtp(content: bytes, sent: bytes) -> None:
    assert as_sent(content) == sent
