# SPDX-License-Identifier: Apache-2.0
"""How busy a process is, is known a moment later."""

from datetime import timedelta

from maildropd.host.load import Load
from tests.fakes.clock import FakeClock


def test_the_share_is_that_of_the_last_moments() -> None:
    clock, used = FakeClock(), [0.0]
    load = Load(clock, lambda: used[0])
    assert load.lately() == 0.0

    clock.forward(timedelta(seconds=1))
    used[0] = 0.75
    assert load.lately() == 0.75

    clock.forward(timedelta(milliseconds=50))
    used[0] = 0.8
    assert load.lately() == 0.75, "too soon to tell"

    clock.forward(timedelta(seconds=1))
    assert load.lately() < 0.1


def test_a_process_that_works_is_busy() -> None:
    clock = FakeClock()
    load = Load(clock)
    sum(range(3_000_000))
    clock.forward(timedelta(milliseconds=100))

    assert load.lately() > 0.05
