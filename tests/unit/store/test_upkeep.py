# SPDX-License-Identifier: Apache-2.0
"""A store that is opened is looked at once; what is wrong is told, with a copy."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.event import Priority
from maildropd.mail.store_events import IntakeResumed, OrphansKept, StoreDamaged
from maildropd.store import room, upkeep
from maildropd.store.base import State
from maildropd.store.connection import connect
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import DiskOs, scribble, settle
from tests.unit.store.stage import Stage, submission

Opener = Callable[[], SqliteStore]
LARGE = [b"x" * 300_000]


@pytest.fixture
def opener(tmp_path: Path, clock: FakeClock, journal: FakeJournal) -> Iterator[Opener]:
    opened = []

    def open_it() -> SqliteStore:
        store = SqliteStore(tmp_path, "me", journal, clock, Heartbeats(clock))
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@contextmanager
def crashed(path: Path, *, log: bool) -> Iterator[Path]:
    """What a crash would leave of a store that is open, in a folder of its own."""
    folder = path.with_name("crashed")
    folder.mkdir()
    for name in ("queue.db", "queue.db-wal") if log else ("queue.db",):
        shutil.copy(path.with_name(name), folder)
    shutil.copytree(path.with_name("content"), folder / "content")
    yield folder


def root_of(path: Path, table: str) -> int:
    """Return where the first page of a table is."""
    query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
    with closing(connect(path)) as database:
        (page,) = database.execute(query, (table,)).fetchone()
    return int(page - 1) * 4096


def test_a_log_that_was_removed_after_a_crash_is_missed(
    opener: Opener, path: Path, journal: FakeJournal, clock: FakeClock
) -> None:
    """Its mail was acknowledged; a large content may be all that is left of it."""
    large = Stage(opener()).submit(submission(content=LARGE)).queue_id

    with (
        crashed(path, log=False) as folder,
        closing(SqliteStore(folder, "me", journal, clock, Heartbeats(clock))) as store,
    ):
        assert Stage(store).counts() == {}

    (told,) = journal.of(StoreDamaged)
    assert told.reason == (
        "queue.db-wal is gone, though the last run did not end in order:"
        " mail may be missing, or be sent again"
    )
    assert told.copy.startswith("a copy is kept in ")
    (kept,) = journal.of(OrphansKept)
    assert (folder / "orphans" / large).stat().st_size == 300_000
    assert kept.priority == Priority.WARNING
    assert kept.text() == (
        f"store: 1 content files without a message were moved to {folder}/orphans"
    )


def test_a_crash_that_left_its_log_is_no_damage(
    opener: Opener, path: Path, journal: FakeJournal, clock: FakeClock
) -> None:
    Stage(opener()).add()

    with (
        crashed(path, log=True) as folder,
        closing(SqliteStore(folder, "me", journal, clock, Heartbeats(clock))) as store,
    ):
        assert Stage(store).counts() == {State.READY: 1}

    assert journal.of(StoreDamaged) == []


def test_a_log_that_went_at_an_orderly_end_is_not_missed(
    opener: Opener, journal: FakeJournal
) -> None:
    opener().close()
    opener()

    assert journal.of(StoreDamaged) == []


def test_a_spoiled_table_is_found_at_the_start_and_told_once(
    opener: Opener, path: Path, journal: FakeJournal
) -> None:
    """Not only when somebody stumbles over it, days later."""
    store = opener()
    Stage(store).submit(submission(key="drop:1"))
    store.close()
    scribble(path, root_of(path, "submission"))

    store = opener()
    for _ in range(2):
        store.configure(0)
        settle_quietly(store)

    (told,) = journal.of(StoreDamaged)
    assert told.reason.startswith("table submission: ")
    assert "\n" not in told.reason
    assert len(list(path.parent.glob("damaged-*"))) == 1


def settle_quietly(store: SqliteStore) -> None:
    """Wait for the writer, by what touches no table that is spoiled."""
    Stage(store).claim()


def test_no_more_than_three_complaints_are_told(
    opener: Opener, path: Path, journal: FakeJournal
) -> None:
    store = opener()
    Stage(store).add_many(50)
    store.close()
    with closing(connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'uid INTEGER,',"
            " 'uid INTEGER NOT NULL,') WHERE name = 'message'"
        )
        database.execute("UPDATE message SET uid = NULL")

    store = opener()
    store.configure(0)
    settle_quietly(store)

    (told,) = journal.of(StoreDamaged)
    assert told.reason == "table message: " + "; ".join(
        ["NULL value in message.uid"] * 3
    )


def test_a_store_too_large_to_be_checked_in_a_moment_is_not(
    opener: Opener,
    path: Path,
    journal: FakeJournal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = opener()
    Stage(store).submit(submission(key="drop:1"))
    store.close()
    scribble(path, root_of(path, "submission"))
    monkeypatch.setattr(upkeep, "_CHECK_LIMIT", 2)

    store = opener()
    store.configure(0)
    settle_quietly(store)

    assert journal.of(StoreDamaged) == []


def test_what_is_kept_free_is_kept_free_of_new_mail_only(
    opener: Opener,
    journal: FakeJournal,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = DiskOs()
    monkeypatch.setattr(room, "os", disk)
    store = opener()
    stage = Stage(store)
    stage.add()
    store.configure(64 << 20)
    settle(store)

    disk.free = 1 << 20
    refused = stage.store.add(
        submission(), next(stage.ids), (clock.now(), clock.now())
    ).exception(10)
    assert "are kept free (disk_reserve)" in str(refused)
    assert stage.deliver(stage.claim()[0]).done
    assert journal.of(IntakeResumed) == []
