# SPDX-License-Identifier: Apache-2.0
"""Who is late, and who was only stopped."""

from datetime import timedelta

from maildropd.host.heartbeat import Heartbeats
from tests.fakes.clock import FakeClock

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def test_a_loop_that_breaks_its_promise_is_late_until_it_is_heard_of() -> None:
    clock = FakeClock()
    hearts = Heartbeats(clock)
    hearts.beat("relay-1", 30 * SECOND)
    hearts.beat("queue", 60 * SECOND)
    clock.forward(30 * SECOND)
    assert hearts.late() == ()

    clock.forward(SECOND)
    assert hearts.late() == ("relay-1",)

    hearts.rest("relay-1")
    assert hearts.late() == ()


def test_who_was_stopped_with_all_others_is_not_late() -> None:
    """It was called hung, and not fed, while it waited for a reply."""
    clock = FakeClock()
    hearts = Heartbeats(clock)
    hearts.beat("relay-1", 30 * SECOND)
    hearts.late()

    clock.forward(3 * HOUR)
    assert hearts.late() == ()

    clock.forward(31 * SECOND)
    assert hearts.late() == ("relay-1",)
