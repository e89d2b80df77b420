# SPDX-License-Identifier: Apache-2.0
"""The queue's time is handed from one run to the next by the store."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.clock import Mark
from maildropd.host.heartbeat import Heartbeats
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import NOON, WAIT, Stage, submission

YEAR = timedelta(days=365)
MARK = Mark(now=NOON, skew=-YEAR, boot="f" * 32, up=timedelta(days=3, microseconds=1))

Run = Callable[[FakeClock], Stage]


class Recorder(FakeClock):
    """Remembers what it was told to go on from."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Mark] = []

    def go_on(self, mark: Mark) -> None:
        self.told.append(mark)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a store, after the last run has ended."""
    with ExitStack() as last:

        def start(clock: FakeClock) -> Stage:
            last.close()
            store = SqliteStore(tmp_path, "me", FakeJournal(), clock, Heartbeats(clock))
            last.callback(store.close)
            return Stage(store)

        yield start


def test_the_next_run_goes_on_from_the_last_mark(run: Run) -> None:
    stage = run(FakeClock())
    stage.add()
    stage.store.keep_mark(Mark(now=NOON - YEAR, skew=YEAR, boot="", up=YEAR))
    stage.store.keep_mark(MARK).result(WAIT)
    clock = Recorder()

    run(clock)

    assert clock.told == [MARK]


def test_an_empty_store_forgets_a_clock_that_was_wrong_long_ago(run: Run) -> None:
    stage = run(FakeClock())
    stage.add()
    stage.deliver(stage.claim()[0])
    stage.store.keep_mark(MARK).result(WAIT)
    clock = Recorder()

    run(clock)

    assert clock.told == []


def test_a_key_without_its_message_has_a_time_that_counts(run: Run) -> None:
    """It would be purged as too old, and its file be sent again."""
    stage = run(FakeClock())
    stage.submit(submission(key="drop:1"))
    stage.deliver(stage.claim()[0])
    stage.store.keep_mark(MARK).result(WAIT)
    clock = Recorder()

    run(clock)

    assert clock.told == [MARK]


@pytest.mark.parametrize("now", [2**62, -(2**62)])
def test_a_time_that_cannot_be_is_no_reason_not_to_start(
    run: Run, tmp_path: Path, now: int
) -> None:
    stage = run(FakeClock())
    stage.add()
    stage.store.keep_mark(MARK).result(WAIT)
    stage.store.close()
    with closing(sqlite3.connect(tmp_path / "queue.db")) as file:
        file.execute("UPDATE clock SET now = ?", (now,))
        file.commit()
    clock = Recorder()

    run(clock)

    assert clock.told == []
