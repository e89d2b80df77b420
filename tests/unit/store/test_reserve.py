# SPDX-License-Identifier: Apache-2.0
"""Blocks are held while a store is open, over its end, and lent to its start."""

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import StoreFull
from maildropd.store import reserve
from maildropd.store.base import State
from maildropd.store.connection import connect
from maildropd.store.opening import open_database
from maildropd.store.reserve import Reserve, lend
from maildropd.store.schema import Schema
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import DiskOs, settle
from tests.unit.store.stage import Stage, submission

KIB = 1024
BALLAST = 128 * KIB
SLACK = 1024 * KIB
HELD = 256 * KIB
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")
UNKNOWN_HERE = OSError(errno.EOPNOTSUPP, "Operation not supported")

Opener = Callable[[], SqliteStore]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> DiskOs:
    disk = DiskOs()
    monkeypatch.setattr(reserve, "os", disk)
    return disk


@pytest.fixture
def opener(tmp_path: Path, clock: FakeClock, journal: FakeJournal) -> Iterator[Opener]:
    """Open a store that holds 256 KiB."""
    opened = []

    def open_it() -> SqliteStore:
        store = SqliteStore(tmp_path, "me", journal, clock, Heartbeats(clock))
        opened.append(store)
        store.configure(HELD)
        settle(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A new database, closed."""
    path = tmp_path / "queue.db"
    open_database(path, Schema.current())[0].close()
    return path


@pytest.fixture
def log(path: Path) -> Iterator[Path]:
    """The log of a database that SQLite has open."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
        yield path.with_name("queue.db-wal")


@pytest.fixture
def held(path: Path, log: Path, disk: DiskOs) -> Iterator[Reserve]:
    with closing(Reserve(path)) as held:
        yield held


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_store_holds_blocks_while_it_is_open(opener: Opener, tmp_path: Path) -> None:
    opener()

    assert blocks(tmp_path / "reserve") >= BALLAST
    assert blocks(tmp_path / "queue.db-wal") >= HELD
    assert blocks(tmp_path / "queue.db") >= SLACK


def test_the_blocks_are_held_over_a_stop_and_serve_the_next_start(
    opener: Opener, tmp_path: Path
) -> None:
    store = opener()
    added = Stage(store).add()
    store.close()
    kept = tmp_path / "reserve-log"
    inode = kept.stat().st_ino
    assert blocks(kept) >= HELD
    assert (tmp_path / "reserve").exists()
    assert not (tmp_path / "queue.db-wal").exists()

    again = opener()

    assert (tmp_path / "queue.db-wal").stat().st_ino == inode
    assert not kept.exists()
    assert Stage(again).content(added)
    assert Stage(again).counts() == {State.READY: 1}


def test_a_start_gives_back_a_little_before_anything_is_opened(path: Path) -> None:
    """On a full disk there is no room for the index of the log otherwise."""
    path.with_name("reserve").write_bytes(bytes(BALLAST))

    lend(path)

    assert not path.with_name("reserve").exists()


def test_a_log_that_was_kept_is_not_taken_for_news(path: Path) -> None:
    """What is in it was brought into the file long ago."""
    kept = path.with_name("reserve-log")
    kept.write_bytes(b"\xff" * BALLAST)

    lend(path)

    found = path.with_name("queue.db-wal").read_bytes()
    assert found == bytes(32) + b"\xff" * (BALLAST - 32)
    assert not kept.exists()


def test_a_kept_log_that_cannot_be_changed_is_given_up(
    path: Path, disk: DiskOs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk that copies what is written kept the daemon from its start."""

    def fsync(descriptor: int) -> None:
        raise NO_ROOM

    monkeypatch.setattr(disk, "fsync", fsync, raising=False)
    path.with_name("reserve-log").write_bytes(b"\xff" * BALLAST)

    lend(path)

    assert not path.with_name("queue.db-wal").exists()
    assert not path.with_name("reserve-log").exists()


def test_a_log_that_was_kept_never_replaces_the_log_of_a_crash(path: Path) -> None:
    """In that one is mail that is nowhere else."""
    log, kept = path.with_name("queue.db-wal"), path.with_name("reserve-log")
    log.write_bytes(b"mail")
    kept.write_bytes(bytes(BALLAST))

    lend(path)

    assert log.read_bytes() == b"mail"
    assert not kept.exists()


def test_a_crash_loses_nothing_that_is_in_a_log_with_held_blocks(
    opener: Opener, tmp_path: Path, clock: FakeClock, journal: FakeJournal
) -> None:
    """Zeros follow its last frame."""
    added = Stage(opener()).add()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("queue.db", "queue.db-wal"):
        shutil.copy(tmp_path / name, crashed)

    with closing(
        SqliteStore(crashed, "me", journal, clock, Heartbeats(clock))
    ) as store:
        assert Stage(store).content(added)


def test_a_log_that_holds_enough_is_not_held_anew(
    path: Path, log: Path, disk: DiskOs
) -> None:
    with closing(Reserve(path)) as first:
        first.fill(1 << 30, HELD)
    disk.asked.clear()

    with closing(Reserve(path)) as second:
        assert second.log_size >= HELD
        second.fill(1 << 30, HELD)

    assert HELD not in disk.asked


def test_of_the_log_no_more_is_held_than_sqlite_leaves(held: Reserve) -> None:
    held.fill(1 << 40, 1 << 39)

    assert held.log_size == 16 * 1024 * KIB


@pytest.mark.parametrize("spare", [-1, BALLAST])
def test_nothing_is_held_where_nothing_can_be_spared(
    held: Reserve, path: Path, spare: int
) -> None:
    held.fill(spare, HELD)

    assert held.log_size == 0
    assert not path.with_name("reserve").exists()


def test_nothing_is_held_where_nothing_is_wanted(held: Reserve, path: Path) -> None:
    held.fill(1 << 30, 0)

    assert held.log_size == 0
    assert not path.with_name("reserve").exists()


@pytest.mark.parametrize("why", [NO_ROOM, UNKNOWN_HERE])
def test_a_log_that_cannot_be_held_is_tried_again_and_no_error(
    held: Reserve, disk: DiskOs, why: OSError
) -> None:
    disk.refuses = why
    held.fill(1 << 30, HELD)
    assert held.log_size == 0

    disk.refuses = None
    held.fill(1 << 30, HELD)
    assert held.log_size == HELD


def test_a_store_works_where_blocks_cannot_be_held(
    opener: Opener, disk: DiskOs
) -> None:
    disk.refuses = UNKNOWN_HERE

    store = opener()
    large = submission(content=[b"x" * 200_000])  # it makes the file grow
    added = Stage(store).submit(large).queue_id
    store.close()

    assert disk.asked
    assert Stage(opener()).content(added)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_file_that_cannot_grow_is_no_room(
    held: Reserve, disk: DiskOs, path: Path, code: int
) -> None:
    disk.refuses = OSError(code, "")

    with pytest.raises(StoreFull, match=f"no room for {path}"):
        held.allot(path.stat().st_size + 1)


def test_room_in_the_file_is_held_with_some_slack_and_not_each_time(
    held: Reserve, disk: DiskOs, path: Path
) -> None:
    size = path.stat().st_size
    held.allot(size)
    assert disk.asked == []

    held.allot(size + 1)
    held.allot(size + SLACK)

    assert disk.asked == [size + 1 + SLACK]
    assert path.stat().st_size == size + 1 + SLACK


def test_after_a_checkpoint_the_slack_is_held_again(
    held: Reserve, disk: DiskOs
) -> None:
    held.checkpointed(8192)
    assert disk.asked == [8193 + SLACK]

    disk.refuses = NO_ROOM
    held.checkpointed(8192)
    with pytest.raises(StoreFull):
        held.allot(8193)


def test_a_short_log_is_not_kept(held: Reserve, path: Path) -> None:
    held.keep_log()

    assert not path.with_name("reserve-log").exists()


def test_a_log_that_stays_is_not_kept_under_two_names(
    held: Reserve, path: Path, log: Path
) -> None:
    """Somebody else has the store open: SQLite does not remove its log."""
    held.fill(1 << 30, HELD)
    held.keep_log()
    assert path.with_name("reserve-log").samefile(log)

    held.close()

    assert not path.with_name("reserve-log").exists()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    held.descriptor = Reserve(path).descriptor  # for the fixture to close
