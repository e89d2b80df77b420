# SPDX-License-Identifier: Apache-2.0
"""A disk that is full or broken: what callers hear, what the journal tells.

The faults are the kernel's own: a file size limit makes every write beyond
it fail, as a broken disk does; SQLite's page limit is a full disk.
"""

import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import StoreFull, StoreUnusable
from maildropd.mail.service_events import StoreRecovered, StoreTrouble
from maildropd.mail.store_events import IntakeResumed, IntakeStopped
from maildropd.store.base import State
from maildropd.store.connection import Database
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema
from maildropd.store.sqlite import SqliteStore
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import Trouble
from maildropd.store.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import WAIT, Stage, outcome, submission

A_WHILE = timedelta(seconds=11)
LARGE = [b"x" * 250_000]


@pytest.fixture
def stage(store: SqliteStore) -> Stage:
    return Stage(store)


@contextmanager
def broken_disk(at: int) -> Iterator[None]:
    """Let this process write no file beyond an offset."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def pages(store: SqliteStore) -> Callable[[int], None]:
    """Return a way to set how many pages more the disk has room for."""

    def set_room(more: int) -> None:
        def work(transaction: Transaction) -> None:
            (used,) = transaction.execute("PRAGMA page_count").fetchone()
            transaction.execute(f"PRAGMA max_page_count = {used + more}").fetchall()

        store._writer.submit(work).result(WAIT)

    return set_room


def test_a_full_disk_is_told_as_one_and_passes(
    stage: Stage, store: SqliteStore, journal: FakeJournal, clock: FakeClock
) -> None:
    kept = stage.add()
    pages(store)(10)

    with pytest.raises(StoreFull, match=r"no room for /.*/queue\.db"):
        stage.submit(submission(content=LARGE, key="k"))
    told = [event.reason for event in journal.wait_for(IntakeStopped)]
    assert told == [f"no room for {store._reader._path}"]
    assert journal.of(StoreTrouble) == []

    pages(store)(10_000)
    clock.forward(A_WHILE)
    assert not stage.submit(submission(content=LARGE, key="k")).repeated
    assert journal.wait_for(IntakeResumed) == [IntakeResumed(delay=A_WHILE)]
    assert stage.content(kept)
    assert stage.counts() == {State.READY: 2}


def test_a_full_disk_refuses_only_what_does_not_fit(
    stage: Stage, store: SqliteStore, journal: FakeJournal, clock: FakeClock
) -> None:
    """Small changes still find room; that is one trouble, not one per change."""
    pages(store)(10)

    for _ in range(3):
        clock.forward(A_WHILE)
        stage.add()
        with pytest.raises(StoreFull):
            stage.submit(submission(content=LARGE))

    assert stage.counts() == {State.READY: 3}
    assert len(journal.wait_for(IntakeStopped)) == 1
    assert journal.of(IntakeResumed) == []


def test_a_broken_disk_is_unusable_until_it_works_again(
    stage: Stage, store: SqliteStore, journal: FakeJournal, clock: FakeClock
) -> None:
    kept = stage.add()
    trusted = store._writer._database._connection

    with broken_disk(at=4096):
        with pytest.raises(StoreUnusable, match="disk I/O error"):
            stage.submit(submission(key="k"))
        with pytest.raises(StoreUnusable):
            stage.claim()
        assert stage.content(kept)  # what is there can still be read
        assert stage.counts() == {State.READY: 1}

    clock.forward(A_WHILE)
    assert not stage.submit(submission(key="k")).repeated
    assert stage.counts() == {State.READY: 2}
    assert len(journal.of(StoreTrouble)) == 1
    assert len(journal.of(StoreRecovered)) == 1
    assert store._writer._database._connection is not trusted


def test_an_outcome_that_could_not_be_written_can_be_written_later(
    stage: Stage,
) -> None:
    stage.add()
    (lease,) = stage.claim()

    with broken_disk(at=4096), pytest.raises(StoreUnusable):
        stage.deliver(lease)

    assert stage.deliver(lease).done == (lease.envelope.queue_id,)


def test_a_large_content_that_does_not_fit_leaves_no_file(
    stage: Stage, tmp_path: Path
) -> None:
    with broken_disk(at=300_000), pytest.raises(StoreUnusable, match="File too large"):
        stage.submit(submission(content=[b"x" * 100_000] * 4))

    assert list((tmp_path / "content").iterdir()) == []


def test_a_large_content_refused_for_want_of_room_leaves_no_file(
    stage: Stage, store: SqliteStore, tmp_path: Path
) -> None:
    """The file found room and its row did not."""
    pages(store)(0)
    many = [f"user{n}@example.net" for n in range(500)]

    with pytest.raises(StoreFull):
        stage.submit(submission(*many, content=[b"x" * 300_000]))
    store.close()

    assert list((tmp_path / "content").iterdir()) == []


def test_a_change_for_which_there_is_no_memory_is_undone_and_said(
    store: SqliteStore, stage: Stage, journal: FakeJournal
) -> None:
    """It ended the writer, and with it the daemon."""

    def stumble(transaction: Transaction) -> None:
        transaction.execute("DELETE FROM recipient")
        raise MemoryError

    queue_id = stage.add()

    with pytest.raises(StoreUnusable, match="out of memory"):
        store._change(stumble).result(WAIT)

    assert stage.recipients(queue_id)
    assert len(journal.of(StoreTrouble)) == 1
    assert stage.deliver(stage.claim()[0]).done


@pytest.mark.parametrize("work", [Database.checkpoint, Database.rollback])
def test_a_want_of_memory_between_changes_is_trouble_of_the_store(
    work: Callable[[Database], None], tmp_path: Path
) -> None:
    """It ended the writer: nothing was stored until the watchdog's restart."""

    class Starved(sqlite3.Connection):
        def execute(self, sql: str, *_: object) -> sqlite3.Cursor:
            if sql.startswith("BEGIN"):
                return super().execute(sql)
            raise MemoryError

    with closing(sqlite3.connect(tmp_path / "db", factory=Starved)) as connection:
        connection.execute("BEGIN")

        with pytest.raises(sqlite3.OperationalError, match="out of memory"):
            work(Database(tmp_path / "db", connection))


def test_a_refused_key_is_no_trouble_of_the_disk(
    stage: Stage, journal: FakeJournal
) -> None:
    """A change that breaks a rule of the tables is our bug, not the disk's."""
    stage.add()
    (lease,) = stage.claim()
    no_due = outcome(lease, state=State.HOLD)
    object.__setattr__(no_due, "state", State.DEFERRED)

    with pytest.raises(StoreUnusable, match="CHECK"):
        stage.settle(no_due)

    assert journal.of(StoreTrouble) == []
    assert stage.deliver(lease).done


def test_a_loop_that_dies_leaves_nobody_waiting(
    tmp_path: Path, clock: FakeClock, journal: FakeJournal
) -> None:
    """The watchdog sees it, and callers are told."""
    path = tmp_path / "queue.db"
    database = Database(path, open_database(path, Schema.current())[0])
    heartbeats = Heartbeats(clock)
    writer = Writer(
        database,
        lambda _: None,
        lambda _: False,
        heartbeats,
        Trouble(path, journal, clock),
    )

    def buggy(_: Transaction) -> None:
        raise SystemExit("not even for this")

    broken = writer.submit(buggy)
    waiting = [writer.submit(lambda _: 1) for _ in range(3)]
    with pytest.raises(SystemExit):
        writer.run()
    clock.forward(timedelta(minutes=1))

    assert heartbeats.late() == ("store-writer",)

    for future in [broken, *waiting, writer.submit(lambda _: 1)]:
        with pytest.raises(StoreUnusable, match="closed"):
            future.result(WAIT)
