# SPDX-License-Identifier: Apache-2.0
"""The queue's time: it never jumps, and outlives the process."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from maildropd.host.clock import SystemClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR, DAY, HOUR = timedelta(days=365), timedelta(days=1), timedelta(hours=1)
MOMENT = timedelta(milliseconds=300)


class Kernel:
    """The clocks of a host, which can be set, put to sleep, and booted."""

    def __init__(self) -> None:
        self.wall = NOON
        self.up = self.awake = timedelta(minutes=5)
        self.between: Callable[[], None] = lambda: None  # at a look at the wall

    def __call__(self, clock: int) -> int:
        if clock == time.CLOCK_REALTIME:
            self.between()
            return (self.wall - datetime(1970, 1, 1, tzinfo=UTC)) // MICRO * 1000
        of = self.up if clock == time.CLOCK_BOOTTIME else self.awake
        return of // MICRO * 1000

    def go(self, delta: timedelta) -> None:
        """Let time pass."""
        self.wall += delta
        self.up += delta
        self.awake += delta

    def suspend(self, delta: timedelta) -> None:
        """Close the lid."""
        self.wall += delta
        self.up += delta

    def boot(self, off: timedelta) -> None:
        """Be off for so long."""
        self.wall += off
        self.up = self.awake = timedelta(seconds=30)


MICRO = timedelta(microseconds=1)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def clock(kernel: Kernel) -> SystemClock:
    return SystemClock("boot-1", kernel)


def test_the_queues_time_begins_with_that_on_the_wall(clock: SystemClock) -> None:
    assert clock.now() == clock.wall() == clock.on_wall(clock.now()) == NOON


@pytest.mark.parametrize("by", [YEAR, -DAY, timedelta(minutes=2), -50 * YEAR])
def test_the_queues_time_goes_on_evenly_when_the_wall_clock_is_set(
    clock: SystemClock, kernel: Kernel, by: timedelta
) -> None:
    kernel.wall += by
    kernel.go(HOUR)

    assert clock.now() == NOON + HOUR
    assert clock.wall() == NOON + HOUR + by


def test_a_jump_is_news_once_and_people_see_the_new_time(
    clock: SystemClock, kernel: Kernel
) -> None:
    kernel.wall += YEAR
    told = clock.on_wall(NOON)

    assert (clock.jumped(), clock.jumped()) == (YEAR, None)
    assert (told, clock.on_wall(NOON)) == (NOON, NOON + YEAR)

    kernel.wall -= YEAR
    assert (clock.jumped(), clock.on_wall(NOON)) == (-YEAR, NOON)


def test_what_people_see_does_not_tremble(clock: SystemClock, kernel: Kernel) -> None:
    """The arrival of a mail is the same at each look."""
    kernel.wall += MOMENT

    assert clock.jumped() is None
    assert clock.on_wall(NOON) == NOON


def test_a_process_that_is_held_up_between_two_looks_sees_no_jump(
    clock: SystemClock, kernel: Kernel
) -> None:
    """Stopped for an hour between the one clock and the other."""
    kernel.between = lambda: kernel.go(HOUR)

    assert clock.jumped() is None
    assert clock.undisturbed() == timedelta.max


def test_the_time_of_a_sleeping_host_passes_for_the_queue(
    clock: SystemClock, kernel: Kernel
) -> None:
    """What fell due meanwhile is due when the lid is opened."""
    kernel.go(HOUR)
    kernel.suspend(DAY)
    kernel.go(MOMENT)

    assert clock.now() == NOON + HOUR + DAY + MOMENT


def test_the_next_run_of_the_same_boot_knows_how_long_it_was_away(
    clock: SystemClock, kernel: Kernel
) -> None:
    """Whatever was done to the wall clock meanwhile."""
    mark = clock.mark()
    kernel.go(HOUR)
    kernel.wall += YEAR
    later = SystemClock("boot-1", kernel)

    later.go_on(mark)

    assert later.now() == NOON + HOUR
    assert later.jumped() == YEAR


def test_after_a_jump_the_next_run_is_not_told_of_it_again(
    clock: SystemClock, kernel: Kernel
) -> None:
    kernel.wall += YEAR
    clock.jumped()
    mark = clock.mark()
    kernel.go(HOUR)
    later = SystemClock("boot-1", kernel)

    later.go_on(mark)

    assert later.jumped() is None
    assert later.now() == NOON + HOUR
    assert later.on_wall(NOON) == NOON + YEAR


@pytest.mark.parametrize(
    ("off", "gone"),
    [(DAY, DAY), (-DAY, timedelta(0)), (-50 * YEAR, timedelta(0))],
    ids=["off for a day", "set back by a day", "no battery behind the clock"],
)
def test_after_a_boot_the_wall_clock_is_asked_and_time_never_goes_back(
    clock: SystemClock, kernel: Kernel, off: timedelta, gone: timedelta
) -> None:
    mark = clock.mark()
    kernel.boot(off)
    later = SystemClock("boot-2", kernel)

    later.go_on(mark)

    assert later.now() == NOON + gone


def test_a_boot_after_a_jump_still_counts_the_time_that_the_host_was_off(
    clock: SystemClock, kernel: Kernel
) -> None:
    kernel.wall += YEAR
    clock.jumped()
    mark = clock.mark()
    kernel.boot(DAY)
    later = SystemClock("boot-2", kernel)

    later.go_on(mark)

    assert later.now() == NOON + DAY
    assert later.jumped() is None


@pytest.mark.parametrize("boot", ["", "boot-1"])
def test_a_host_of_which_the_boot_is_unknown_or_a_copy_asks_the_wall_clock(
    kernel: Kernel, boot: str
) -> None:
    """A machine that is put back to a former state has its boot's name again."""
    mark = SystemClock(boot, kernel).mark()
    kernel.boot(DAY)
    later = SystemClock(boot, kernel)

    later.go_on(mark)

    assert later.now() == NOON + DAY


def _set(kernel: Kernel) -> None:
    kernel.wall += timedelta(seconds=2)


def _slept(kernel: Kernel) -> None:
    kernel.suspend(DAY)


@pytest.mark.parametrize("disturb", [_set, _slept])
def test_the_ages_of_files_count_from_the_last_disturbance(
    clock: SystemClock, kernel: Kernel, disturb: Callable[[Kernel], None]
) -> None:
    """Of a file that seems to be a year old half may be written."""
    kernel.go(HOUR)
    assert clock.undisturbed() == timedelta.max

    disturb(kernel)

    assert clock.undisturbed() == timedelta(0)
    kernel.go(HOUR)
    assert clock.undisturbed() == HOUR


def test_a_wall_clock_that_was_set_while_nobody_looked_disturbs_the_next_run(
    clock: SystemClock, kernel: Kernel
) -> None:
    mark = clock.mark()
    kernel.wall += YEAR
    later = SystemClock("boot-1", kernel)

    later.go_on(mark)

    assert later.undisturbed() == timedelta(0)
