# SPDX-License-Identifier: Apache-2.0
"""The loop that commits: what it does in between, and what it survives."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import StoreUnusable
from maildropd.mail.service_events import StoreTrouble
from maildropd.store.connection import Database
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import Trouble
from maildropd.store.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import WAIT

INSERT = "INSERT INTO content VALUES (?, zeroblob(?))"

Start = Callable[[Callable[[Transaction], bool]], Writer]


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def start(tmp_path: Path, journal: FakeJournal) -> Iterator[Start]:
    """Run a writer in a thread of its own, with something to do when idle."""
    path, clock = tmp_path / "queue.db", FakeClock()
    running: list[tuple[Writer, threading.Thread]] = []

    def run(idle: Callable[[Transaction], bool]) -> Writer:
        database = Database(path, open_database(path, Schema.current())[0])
        trouble = Trouble(path, journal, clock)
        writer = Writer(database, lambda _: None, idle, Heartbeats(clock), trouble)
        thread = threading.Thread(target=writer.run)
        thread.start()
        running.append((writer, thread))
        return writer

    yield run
    for writer, thread in running:
        writer.stop()
        thread.join(WAIT)


def test_quiet_moments_are_used_until_there_is_nothing_left_to_do(start: Start) -> None:
    done: list[int] = []
    all_done = threading.Event()

    def idle(transaction: Transaction) -> bool:
        transaction.execute(INSERT, (len(done), 1))
        done.append(len(done))
        if len(done) == 3:
            all_done.set()
        return len(done) < 3

    writer = start(idle)

    assert all_done.wait(WAIT)
    query = "SELECT count(*) FROM content"
    count = writer.submit(lambda t: t.execute(query).fetchone())
    assert count.result(WAIT) == (3,)


def test_trouble_in_a_quiet_moment_does_not_end_the_loop(
    start: Start, journal: FakeJournal
) -> None:
    def idle(transaction: Transaction) -> bool:
        transaction.execute("no sql at all")
        return False

    writer = start(idle)

    (event,) = journal.wait_for(StoreTrouble)
    assert "syntax error" in event.reason
    assert writer.submit(lambda _: "alive").result(WAIT) == "alive"


def test_a_long_log_is_brought_into_the_file(start: Start, tmp_path: Path) -> None:
    writer = start(lambda _: False)

    def large(transaction: Transaction) -> None:
        transaction.execute(INSERT, (1, 8_000_000))
        transaction.octets += 8_000_000

    writer.submit(large).result(WAIT)
    writer.submit(lambda _: None).result(WAIT)  # behind what followed the first

    assert (tmp_path / "queue.db").stat().st_size > 8_000_000


def test_a_bug_is_the_answer_of_the_change_it_is_in(start: Start) -> None:
    writer = start(lambda _: False)

    def buggy(transaction: Transaction) -> None:
        transaction.execute(INSERT, (1, 1))
        raise KeyError("a bug")

    def refusing(_: Transaction) -> None:
        raise StoreUnusable("as it should be")

    futures = [writer.submit(work) for work in (buggy, refusing)]

    with pytest.raises(KeyError):
        futures[0].result(WAIT)
    with pytest.raises(StoreUnusable, match="as it should be"):
        futures[1].result(WAIT)
    query = "SELECT count(*) FROM content"
    count = writer.submit(lambda t: t.execute(query).fetchone())
    assert count.result(WAIT) == (0,)


def test_a_change_that_was_taken_back_is_not_made(start: Start) -> None:
    """The first one holds the writer until the second is cancelled."""
    writer, begun, go_on = start(lambda _: False), threading.Event(), threading.Event()

    def first(_: Transaction) -> None:
        begun.set()
        go_on.wait(WAIT)

    writer.submit(first)
    assert begun.wait(WAIT)
    made: list[int] = []
    second: Future[None] = writer.submit(lambda _: made.append(1))
    assert second.cancel()
    go_on.set()

    writer.submit(lambda _: None).result(WAIT)
    assert made == []
