# SPDX-License-Identifier: Apache-2.0
"""A relay that serves fewer connections than it is offered gets what it serves."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.errors import RouteError
from maildropd.mail.events import MessageDone
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteCrowded, RouteFailed
from maildropd.queue.crew import Crew
from maildropd.relay.base import Delivery
from tests.fakes.clock import FakeClock
from tests.fakes.transport import accept
from tests.unit.queue.desk import Desk

CROWDED = Reply(421, "4.7.0", "too many connections")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, connections=4)
    yield desk
    desk.stop()


class Serves:
    """A relay that answers so many at a time, and turns the next away."""

    def __init__(self, most: int) -> None:
        self._seats = threading.Semaphore(most)
        self._owners: dict[int, bool] = {}

    def __call__(self, delivery: Delivery) -> tuple[Outcome, ...]:
        thread = threading.get_ident()
        if thread not in self._owners:
            self._owners[thread] = self._seats.acquire(blocking=False)
        if not self._owners[thread]:
            raise RouteError("421 too many connections", CROWDED)
        return accept(delivery)


def test_a_connection_too_many_does_not_break_the_route(desk: Desk) -> None:
    """A relay that allowed two connections got fourteen mails a second."""
    desk.add("first@x")
    desk.relay.script = Serves(2)
    desk.start()
    desk.journal.wait_for(MessageDone)
    for number in range(300):
        desk.add(f"r{number}@x")

    desk.manager.wake()
    desk.journal.wait_for(MessageDone, 301)

    assert not desk.journal.of(RouteFailed)
    assert {each.connections for each in desk.journal.of(RouteCrowded)} <= {2, 3}
    assert len(desk.journal.of(RouteCrowded)) <= 2
    assert set(desk.delivered().values()) == {1}


def test_the_last_connection_that_is_refused_is_a_broken_route(desk: Desk) -> None:
    """Else a relay that went away would be asked again and again."""
    desk.add("first@x")
    desk.start()
    desk.journal.wait_for(MessageDone)

    def gone(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteError("connection refused")

    desk.relay.script = gone
    for number in range(50):
        desk.add(f"r{number}@x")
    desk.manager.wake()

    desk.journal.wait_for(RouteFailed)
    assert len(desk.relay.seen) <= 1 + 4


def test_after_a_minute_one_connection_more_is_tried() -> None:
    clock = FakeClock()
    crew = Crew(4, clock)
    hired = [crew.hire(waiting=10) for _ in range(5)]
    assert hired == [True, True, True, True, False]
    crew.size -= 1
    crew.size -= 1

    assert crew.turned_away()
    crew.size -= 1
    assert not crew.hire(waiting=10)

    clock.forward(MINUTE)
    assert crew.hire(waiting=10)
    assert not crew.hire(waiting=10)
    assert not crew.turned_away()


def test_a_message_to_many_gets_all_connections_at_once_but_not_those_refused() -> None:
    clock = FakeClock()
    crew = Crew(20, clock)
    crew.hire(waiting=1)
    assert crew.lend(9) == 9

    assert crew.turned_away(7)
    crew.lent = 0

    assert crew.lend(9) == 2
    crew.lent = 0
    clock.forward(MINUTE)
    assert crew.lend(9) == 3
