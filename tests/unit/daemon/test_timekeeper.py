# SPDX-License-Identifier: Apache-2.0
"""When a mark of the queue's time is kept, and what is said of a jump."""

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import timedelta
from typing import cast

import pytest

from maildropd.daemon.engine import PatientJournal, Surroundings
from maildropd.daemon.timekeeper import Timekeeper
from maildropd.host.clock import Mark
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.notify import Notifier
from maildropd.mail.errors import StoreFull
from maildropd.mail.host_events import ClockJumped
from maildropd.store.base import QueueStore, State
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

YEAR, MINUTE = timedelta(days=365), timedelta(minutes=1)


class Store:
    """Counts what waits, and keeps marks, as long as it works."""

    def __init__(self) -> None:
        self.waiting = 1
        self.marks: list[Mark] = []
        self.answers: list[Future[None]] = []

    def counts(self) -> Mapping[State, int]:
        return {State.READY: self.waiting, State.HOLD: 0}

    def keep_mark(self, mark: Mark) -> Future[None]:
        self.marks.append(mark)
        self.answers.append(Future())
        return self.answers[-1]

    def answer(self) -> None:
        self.answers[-1].set_result(None)


class Desk:
    """A timekeeper with all it needs."""

    def __init__(self) -> None:
        self.clock, self.journal, self.store = FakeClock(), FakeJournal(), Store()
        around = Surroundings(
            clock=self.clock,
            journal=cast(PatientJournal, self.journal),
            heartbeats=Heartbeats(self.clock),
            notifier=Notifier(),
        )
        self.keeper = Timekeeper(around, cast(QueueStore, self.store))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("by", [YEAR, -timedelta(days=1)])
def test_a_jump_is_told_once_and_kept_at_once(desk: Desk, by: timedelta) -> None:
    desk.store.waiting = 0
    desk.clock.jump(by)

    desk.keeper.tick()
    desk.keeper.tick()

    assert desk.journal.of(ClockJumped) == [ClockJumped(by=by)]
    assert [mark.skew for mark in desk.store.marks] == [by]


def test_a_mark_is_kept_once_a_minute_while_mail_waits(desk: Desk) -> None:
    for _ in range(180):
        desk.keeper.tick()
        if not desk.store.answers[-1].done():
            desk.store.answer()
        desk.clock.forward(timedelta(seconds=1))

    assert len(desk.store.marks) == 3


def test_a_disk_without_mail_is_left_to_sleep(desk: Desk) -> None:
    desk.store.waiting = 0

    for _ in range(100):
        desk.keeper.tick()
        desk.clock.forward(MINUTE)

    assert desk.store.marks == []


def test_a_store_that_hangs_is_not_heaped_with_marks(desk: Desk) -> None:
    for _ in range(100):
        desk.keeper.tick()
        desk.clock.forward(MINUTE)

    assert len(desk.store.marks) == 1


def test_a_store_that_is_full_is_asked_again(desk: Desk) -> None:
    desk.keeper.tick()
    desk.store.answers[0].set_exception(StoreFull("no room"))
    desk.clock.forward(MINUTE)

    desk.keeper.tick()

    assert len(desk.store.marks) == 2


def test_the_text_says_which_way_the_clock_went() -> None:
    assert "set by -86400 s," in ClockJumped(by=-timedelta(days=1)).text()
    assert "set by 31536000 s," in ClockJumped(by=YEAR).text()
