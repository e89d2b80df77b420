# SPDX-License-Identifier: Apache-2.0
"""A copy is kept of what is damaged: once for each damage, and never too many."""

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maildropd.mail.event import Priority
from maildropd.mail.store_events import StoreDamaged
from maildropd.store import damage
from maildropd.store.damage import Damage, keep_copy
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import DiskOs

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
FOLDER = "damaged-20260102T030405"

Keep = Callable[[], str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "queue.db"
    path.write_bytes(b"spoiled" * 1000)
    path.with_name("queue.db-wal").write_bytes(b"log")
    return path


@pytest.fixture
def database(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def keep(path: Path, database: int) -> Keep:
    return lambda: keep_copy(path, database, "it is bad", AT, lambda: None)


def copies(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.glob("damaged-*"))


def test_the_copy_is_of_file_and_log_and_says_why_it_is_there(
    keep: Keep, path: Path
) -> None:
    folder = path.with_name(FOLDER)

    assert keep() == f"a copy is kept in {folder}"

    assert (folder / "queue.db").read_bytes() == path.read_bytes()
    assert (folder / "queue.db-wal").read_bytes() == b"log"
    text = (folder / "README").read_text()
    assert "made by maildropd at 2026-01-02T03:04:05+00:00" in text
    assert "    it is bad\n" in text
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_without_a_log_is_copied_alone(keep: Keep, path: Path) -> None:
    path.with_name("queue.db-wal").unlink()

    keep()

    left = sorted(each.name for each in path.with_name(FOLDER).iterdir())
    assert left == ["README", "queue.db"]


def test_the_same_damage_is_copied_once(keep: Keep, path: Path) -> None:
    """A service manager starts it again and again."""
    keep()

    assert keep() == f"the copy in {path.with_name(FOLDER)} is of the same"
    assert copies(path) == [FOLDER]


@pytest.mark.parametrize("name", ["queue.db", "queue.db-wal"])
@pytest.mark.parametrize("change", [b"other" * 1400, b"shorter", None])
def test_a_copy_of_something_else_is_not_of_the_same(
    name: str, change: bytes | None, keep: Keep, path: Path
) -> None:
    earlier = path.with_name("damaged-earlier")
    earlier.mkdir()
    for file in (path, path.with_name("queue.db-wal")):
        (earlier / file.name).write_bytes(file.read_bytes())
    if change is None:
        (earlier / name).unlink()
    else:
        (earlier / name).write_bytes(change)

    assert keep() == f"a copy is kept in {path.with_name(FOLDER)}"


def test_there_are_three_copies_at_most(keep: Keep, path: Path) -> None:
    for number in range(3):
        path.with_name(f"damaged-{number}").mkdir()

    assert keep() == "no copy is kept, there are 3 already"
    assert len(copies(path)) == 3


@pytest.mark.parametrize(
    ("blocks", "said"),
    [(3, "there is no room for a copy (6 KiB)"), (4, "a copy is kept in ")],
)
def test_a_copy_leaves_as_much_room_as_it_takes(
    blocks: int,
    said: str,
    keep: Keep,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk is full enough of trouble as it is."""
    disk = DiskOs()
    disk.free = blocks * 4096
    monkeypatch.setattr(damage, "os", disk)

    assert keep().startswith(said)
    assert copies(path) == [FOLDER] * ("kept" in said)


def test_a_copy_that_fails_is_said_and_no_error(keep: Keep, path: Path) -> None:
    folder = path.with_name(FOLDER)
    folder.mkdir()
    (folder / "README").touch()

    assert keep() == f"no copy could be made in {folder} (File exists)"


def test_damage_is_told_once_until_the_next_start(
    path: Path, database: int, journal: FakeJournal, clock: FakeClock
) -> None:
    """What is found after the first copy is of the same damage, or of its mending."""
    signs: list[None] = []
    found = Damage(path, database, journal, clock)
    found.alive = lambda: signs.append(None)

    found.found("page 7 is bad")
    found.found("page 8 is bad")

    copy = f"a copy is kept in {path.with_name(FOLDER)}"
    (event,) = journal.events
    assert event == StoreDamaged(path=str(path), reason="page 7 is bad", copy=copy)
    assert event.priority == Priority.CRITICAL
    assert event.text() == f"store {path}: damaged (page 7 is bad); {copy}"
    assert len(signs) == 2


def test_a_large_copy_gives_signs_of_life(
    path: Path, database: int, journal: FakeJournal, clock: FakeClock
) -> None:
    """The watchdog would end what takes minutes."""
    signs: list[None] = []
    os.truncate(path, 5 << 20)
    found = Damage(path, database, journal, clock)
    found.alive = lambda: signs.append(None)

    found.found("cut")

    assert len(signs) == 6
    copy = path.with_name(FOLDER) / "queue.db"
    assert copy.read_bytes() == path.read_bytes()


def test_a_damage_without_a_listener_is_seen_to_all_the_same(
    path: Path, database: int, journal: FakeJournal, clock: FakeClock
) -> None:
    Damage(path, database, journal, clock).found("cut")

    assert copies(path) == [FOLDER]


def test_a_log_that_cannot_be_opened_does_not_end_the_writer(
    keep: Keep, path: Path
) -> None:
    """An error here would leave a daemon that stores and records nothing."""
    log = path.with_name("queue.db-wal")
    log.unlink()
    with socket.socket(socket.AF_UNIX) as nobody_opens_that:
        nobody_opens_that.bind(str(log))

        assert keep().startswith(f"no copy could be made of {log}")
