# SPDX-License-Identifier: Apache-2.0
"""New mail is refused before the disk is full; told once, and once when it is over."""

import errno
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import StoreFull, StoreUnusable
from maildropd.mail.event import Priority
from maildropd.mail.store_events import IntakeResumed, IntakeStopped
from maildropd.store import room
from maildropd.store.base import Stored
from maildropd.store.room import Room
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import GIB, DiskOs

MIB = 1 << 20
SECOND = timedelta(seconds=1)
A_WHILE = timedelta(seconds=10)
FULL = StoreFull("no room")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> DiskOs:
    disk = DiskOs()
    monkeypatch.setattr(room, "os", disk)
    return disk


@pytest.fixture
def kept(tmp_path: Path, journal: FakeJournal, clock: FakeClock, disk: DiskOs) -> Room:
    """Room on a disk of which 64 MiB are kept free."""
    kept = Room(tmp_path, journal, clock)
    kept.configure(64 * MIB)
    return kept


def answer(error: Exception | None = None) -> Future[Stored]:
    future: Future[Stored] = Future()
    if error:
        future.set_exception(error)
    else:
        future.set_result(Stored(queue_id=QueueId("4XK2"), size=100))
    return future


@pytest.mark.parametrize(
    ("whole", "reserve"), [(100 * GIB, 64 * MIB), (80 * MIB, 10 * MIB)]
)
def test_of_a_small_disk_the_reserve_takes_an_eighth(
    kept: Room, disk: DiskOs, whole: int, reserve: int
) -> None:
    disk.whole, disk.free = whole, 5 * MIB

    assert kept.spare() == (5 * MIB, reserve)


def test_whoever_asks_hears_for_how_long_no_new_mail_is_taken(
    kept: Room, disk: DiskOs
) -> None:
    """Also where none has come meanwhile, and none comes now that there is room."""
    told = []
    for disk.free in (65 * MIB, 5 * MIB, 65 * MIB, 90 * MIB):
        told.append(kept.shortage().partition(" in ")[0])

    # A little more than the reserve, so that it does not go to and fro.
    assert told == ["", "5120 KiB free", "66560 KiB free", ""]


def test_a_disk_without_a_limit_has_room(kept: Room, disk: DiskOs) -> None:
    """A tmpfs with size=0 says that it has no block at all."""
    disk.whole = disk.free = 0

    kept.admit()


def test_a_disk_that_does_not_answer_stops_no_mail(kept: Room, disk: DiskOs) -> None:
    """Whoever writes there hears what is wrong."""
    disk.unknown = OSError(errno.EIO, "I/O error")

    kept.admit()
    kept.refused(FULL, 1)


def test_without_a_reserve_the_last_octet_can_be_taken(
    tmp_path: Path, journal: FakeJournal, clock: FakeClock, disk: DiskOs
) -> None:
    disk.free = 0

    Room(tmp_path, journal, clock).admit()


def test_mail_that_would_take_from_the_reserve_is_refused_and_the_place_named(
    kept: Room, disk: DiskOs, tmp_path: Path
) -> None:
    disk.free = 64 * MIB
    kept.admit()

    disk.free -= 4096
    with pytest.raises(StoreFull) as caught:
        kept.admit()

    assert str(caught.value) == (
        f"65532 KiB free in {tmp_path}, and 65536 KiB are kept free (disk_reserve)"
    )


def test_mail_is_taken_again_when_there_is_a_quarter_more_than_the_reserve(
    kept: Room, disk: DiskOs
) -> None:
    """Else each message that goes out lets one in, and the next is refused."""
    disk.free = 63 * MIB
    with pytest.raises(StoreFull):
        kept.admit()

    disk.free = 79 * MIB
    with pytest.raises(StoreFull):
        kept.admit()

    disk.free = 80 * MIB
    kept.admit()
    disk.free = 64 * MIB
    kept.admit()


def test_want_of_room_is_told_once_and_its_end_once(
    kept: Room, journal: FakeJournal, clock: FakeClock
) -> None:
    for _ in range(3):
        kept.answered(100, answer(FULL))
        clock.forward(SECOND)
    clock.forward(A_WHILE)
    kept.answered(100, answer())
    kept.answered(100, answer())

    stopped, resumed = journal.events
    assert stopped == IntakeStopped(reason="no room")
    assert resumed == IntakeResumed(delay=3 * SECOND + A_WHILE)
    assert (stopped.priority, resumed.priority) == (Priority.CRITICAL, Priority.NOTICE)
    assert stopped.text() == (
        "store: no new mail is taken, what is queued is delivered (no room)"
    )
    assert resumed.text() == "store: new mail is taken again after 13.00 s"


def test_it_is_not_over_in_the_first_seconds(
    kept: Room, journal: FakeJournal, clock: FakeClock
) -> None:
    kept.answered(100, answer(FULL))
    clock.forward(A_WHILE - SECOND)
    kept.answered(100, answer())

    assert journal.of(IntakeResumed) == []


def test_it_is_not_over_when_a_smaller_message_finds_room(
    kept: Room, journal: FakeJournal, clock: FakeClock
) -> None:
    kept.answered(100, answer(FULL))
    kept.answered(50, answer(FULL))
    clock.forward(A_WHILE)
    kept.answered(99, answer())
    assert journal.of(IntakeResumed) == []

    kept.answered(100, answer())
    assert len(journal.of(IntakeResumed)) == 1


def test_a_second_shortage_is_told_again(
    kept: Room, journal: FakeJournal, clock: FakeClock
) -> None:
    for _ in range(2):
        kept.answered(100, answer(FULL))
        clock.forward(A_WHILE)
        kept.answered(100, answer())

    assert len(journal.of(IntakeStopped)) == len(journal.of(IntakeResumed)) == 2


def test_a_message_that_is_given_up_or_fails_otherwise_says_nothing_of_room(
    kept: Room, journal: FakeJournal, clock: FakeClock
) -> None:
    cancelled: Future[Stored] = Future()
    cancelled.cancel()
    kept.answered(100, answer(FULL))
    clock.forward(A_WHILE)

    kept.answered(100, cancelled)
    kept.answered(100, answer(StoreUnusable("I/O error")))

    assert len(journal.events) == 1


def test_the_end_is_noticed_though_no_mail_comes(
    kept: Room, disk: DiskOs, journal: FakeJournal, clock: FakeClock
) -> None:
    disk.free = 0
    with pytest.raises(StoreFull) as caught:
        kept.admit()
    kept.refused(caught.value, 0)
    clock.forward(A_WHILE)
    kept.glance()
    assert journal.of(IntakeResumed) == []

    disk.free = GIB
    kept.glance()
    kept.glance()

    assert len(journal.of(IntakeResumed)) == 1


@pytest.mark.parametrize(
    ("inodes", "words"), [(0, "no room"), (9, "no room; no inode is free")]
)
def test_want_of_inodes_is_named(
    kept: Room, disk: DiskOs, journal: FakeJournal, inodes: int, words: str
) -> None:
    """df shows room then.  Some file systems have no such thing, and say 0 of 0."""
    disk.inodes, disk.free_inodes = inodes, 0

    kept.refused(FULL, 1)

    assert journal.events == [IntakeStopped(reason=words)]
