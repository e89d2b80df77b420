# SPDX-License-Identifier: Apache-2.0
"""The queue stops: what is on the wire, and what nobody had begun."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from maildropd.mail.errors import StoreUnusable
from maildropd.mail.events import MessageDone, RecipientDelivered, RecipientInDoubt
from maildropd.queue.reporter import Answer
from maildropd.store.base import Notice, Settled, Settlement, State
from maildropd.store.sqlite import SqliteStore
from tests.unit.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def test_a_stop_finishes_what_is_on_the_wire_and_keeps_the_rest(desk: Desk) -> None:
    desk.relay.gate.clear()
    for _ in range(10):
        desk.add()
    desk.start()
    desk.relay.arrived.acquire(timeout=10)
    desk.relay.arrived.acquire(timeout=10)

    def patience() -> bool:
        desk.relay.gate.set()
        return True

    desk.manager.stop(patience)
    desk.started = False

    assert len(desk.journal.wait_for(MessageDone, 2)) == 2
    desk.store.close()
    again = SqliteStore(desk.folder, "again", desk.journal, desk.clock, desk.heartbeats)
    assert again.take_over(desk.clock.now()).result() == 0
    assert again.counts()[State.READY] == 8
    again.close()


def test_a_hurried_stop_breaks_off_and_loses_nothing(desk: Desk) -> None:
    desk.relay.gate.clear()
    desk.add()
    desk.start()
    desk.relay.arrived.acquire(timeout=10)

    desk.manager.stop(lambda: False)
    desk.started = False

    assert desk.store.counts()[State.READY] == 1
    assert not desk.journal.of(RecipientDelivered)


def test_a_stop_that_cannot_record_a_delivery_says_that_it_may_come_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, the daemon is stopped: it went out again, without a word."""
    asked = threading.Event()

    def refused(settlements: object, notices: object) -> Future[Settled]:
        asked.set()
        desk.clock.forward(timedelta(seconds=3))  # or no patience ever ends
        future = Future[Settled]()
        future.set_exception(StoreUnusable("no room"))
        return future

    monkeypatch.setattr(desk.store, "settle", refused)
    name = desk.add("r@x")
    desk.start()
    assert asked.wait(10)

    desk.manager.stop(lambda: False)
    desk.started = False
    monkeypatch.undo()

    (told,) = desk.journal.of(RecipientInDoubt)
    assert (told.queue_id, told.recipient) == (name, "r@x")
    assert "250 ok" in told.reply.text


class ToldLater(Future[Settled]):
    """Done, before those who want to hear of it have heard."""

    def __init__(self, settled: Settled) -> None:
        super().__init__()
        self.told: list[Callable[[Future[Settled]], object]] = []
        self.set_result(settled)

    def add_done_callback(self, fn: Callable[[Future[Settled]], object]) -> None:
        self.told.append(fn)


def test_a_stop_owns_up_to_nothing_that_was_recorded_just_then(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a mail that was through it was said that it would be sent again."""
    settle, futures = desk.store.settle, list[ToldLater]()
    recorded = threading.Event()

    def slow_to_tell(
        settlements: Sequence[Settlement], notices: Sequence[Notice]
    ) -> Future[Settled]:
        futures.append(ToldLater(settle(settlements, notices).result(10)))
        recorded.set()
        return futures[-1]

    monkeypatch.setattr(desk.store, "settle", slow_to_tell)
    desk.add()
    desk.start()
    assert recorded.wait(10)

    desk.manager.stop(lambda: True)
    desk.started = False

    assert not desk.journal.of(RecipientInDoubt)
    for future in futures:
        for tell in future.told:
            tell(future)
    assert len(desk.journal.of(MessageDone)) == 1


class RecordedJustThen(dict[int, Any]):
    """What is not recorded yet: the last of it is, as soon as somebody looks."""

    def __bool__(self) -> bool:
        found = len(self) > 0
        self.clear()
        return found


def test_a_stop_is_no_failure_when_the_store_comes_back_just_then(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon fell over at its end: what it had to own up to was recorded."""
    attempt = desk.routing().attempt
    monkeypatch.setattr(
        attempt, "_unrecorded", RecordedJustThen({1: ((), Answer(verdicts=()))})
    )

    attempt.own_up()


def test_a_stop_is_no_failure_when_the_last_delivery_ends_just_then(
    desk: Desk,
) -> None:
    """The daemon fell over at its end: it waited for a thread that had gone."""
    others = threading.enumerate()
    desk.relay.gate.clear()
    desk.add()
    desk.start()
    desk.relay.arrived.acquire(timeout=10)

    def patience() -> bool:
        desk.relay.gate.set()
        for thread in threading.enumerate():
            if thread.name.startswith("relay-") and thread not in others:
                thread.join(10)
        return True

    desk.manager.stop(patience)
    desk.started = False

    assert len(desk.journal.wait_for(MessageDone)) == 1
