# SPDX-License-Identifier: Apache-2.0
"""A relay that allows so many messages in a time is given no more."""

from datetime import timedelta

import pytest

from maildropd.config.rate import Rate
from maildropd.queue.throttle import Throttle
from tests.fakes.clock import FakeClock

MINUTE = timedelta(minutes=1)


def moments(rate: Rate, number: int) -> list[timedelta]:
    """Send as fast as it lets us; return when each went."""
    clock = FakeClock()
    throttle = Throttle(rate, clock)
    begun, sent = clock.monotonic(), []
    for _ in range(number):
        clock.forward(throttle.wait())
        assert not throttle.wait()
        throttle.take()
        sent.append(clock.monotonic() - begun)
    return sent


@pytest.mark.parametrize("amount", [1, 2, 3, 10, 100, 1000])
def test_no_stretch_of_time_sees_more_than_the_amount(amount: int) -> None:
    sent = moments(Rate(amount=amount, period=MINUTE), 3 * amount + 1)

    for first, beyond in zip(sent, sent[amount:], strict=False):
        assert beyond - first >= MINUTE - timedelta(milliseconds=1)


def test_a_few_may_go_together_and_the_amount_is_reached() -> None:
    sent = moments(Rate(amount=100, period=MINUTE), 301)

    assert sent[24] == timedelta(0) < sent[25]
    assert sent[300] < 4 * MINUTE


def test_what_was_not_used_is_not_saved_up() -> None:
    clock = FakeClock()
    throttle = Throttle(Rate(amount=4, period=MINUTE), clock)
    clock.forward(timedelta(hours=1))

    throttle.take()

    assert throttle.wait() > timedelta(seconds=10)
