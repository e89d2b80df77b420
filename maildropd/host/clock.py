# SPDX-License-Identifier: Apache-2.0
"""Time, passed in, so that tests can hold it.

A wall clock can be set: a year ahead, and all mail that waits would be too
old; a day back, and nothing would be due before tomorrow.  So the queue has a
time of its own, which never jumps, and which the store hands from one run of
the daemon to the next.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_STILL = timedelta(0)
_JUMP = timedelta(minutes=1)  # less is not worth a word
_STEP = timedelta(seconds=0.5)  # enough to take a file for one at rest
_GLANCE = timedelta(seconds=0.05)
_GLANCES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where the queue's time was, so that the next run can go on from there."""

    now: datetime
    skew: timedelta  # of the wall clock, ahead of it
    boot: str  # of the host; empty if unknown
    up: timedelta  # since that boot


class Clock(Protocol):
    """Three clocks: the queue's, the one on the wall, and a stop-watch."""

    def now(self) -> datetime:
        """Return the queue's time, aware, in UTC; it never jumps."""
        ...

    def wall(self) -> datetime:
        """Return the time of day, aware, in UTC; anybody may set it."""
        ...

    def on_wall(self, at: datetime) -> datetime:
        """Return what the wall clock shows, or showed, at a time of the queue."""
        ...

    def undisturbed(self) -> timedelta:
        """Return for how long the wall clock has shown how old a file is.

        Since somebody set it, or since the host woke up with all its writers.
        """
        ...

    def monotonic(self) -> timedelta:
        """Return the time since some fixed point; it only grows."""
        ...


class QueueClock(Clock, Protocol):
    """A clock whose queue time outlives the process, in a store."""

    def go_on(self, mark: Mark) -> None:
        """Let the queue's time go on from that of a former run."""
        ...

    def mark(self) -> Mark:
        """Return where the queue's time is."""
        ...

    def jumped(self) -> timedelta | None:
        """Return by how much the wall clock was set, if that is news."""
        ...


class SystemClock:
    """The kernel's clocks; ``boot`` names the present boot of the host."""

    def __init__(
        self, boot: str = "", read: Callable[[int], int] = time.clock_gettime_ns
    ) -> None:
        """Begin with the queue's time as that on the wall."""
        self._boot = boot
        self._read = read
        self._lock = threading.Lock()
        self._began = self.wall() - self._up()  # the queue's time at the boot
        self._skew = _STILL
        self._even = _STILL  # the skew since the wall clock was last set
        self._slept = self._up() - self.monotonic()
        self._disturbed_at: timedelta | None = None

    def now(self) -> datetime:
        """Return the time the store goes by; also a sleeping host's time passes."""
        return self._began + self._up()

    def wall(self) -> datetime:
        """Return CLOCK_REALTIME."""
        return datetime.fromtimestamp(0, UTC) + self._of(time.CLOCK_REALTIME)

    def on_wall(self, at: datetime) -> datetime:
        """Return the same for the same time, until the wall clock is set."""
        return at + self._skew

    def monotonic(self) -> timedelta:
        """Return CLOCK_MONOTONIC."""
        return self._of(time.CLOCK_MONOTONIC)

    def undisturbed(self) -> timedelta:
        """Return it as far as this process, or the mark it goes on from, knows."""
        with self._lock:
            skew = self._present_skew()
            up, now = self._up(), self.monotonic()
            slept = up - now  # less if we are held up between
            if skew is not None and abs(skew - self._even) > _STEP:
                self._even, self._disturbed_at = skew, now
            if slept - self._slept > _STEP:
                self._slept, self._disturbed_at = slept, now
            at = self._disturbed_at
        return timedelta.max if at is None else now - at

    def go_on(self, mark: Mark) -> None:
        """Go on from a mark: by the time since, if that can be known.

        In the same boot the kernel knows.  Else the wall clock is asked, and
        believed unless it says that time went backwards.
        """
        up = self._up()
        with self._lock:
            if mark.boot and mark.boot == self._boot and up >= mark.up:
                self._began = mark.now - mark.up
            else:
                self._began = max(mark.now, self.wall() - mark.skew) - up
            self._skew = self._even = mark.skew
            skew = self._present_skew()
            if skew is not None and abs(skew - mark.skew) > _JUMP:
                self._even, self._disturbed_at = skew, self.monotonic()

    def mark(self) -> Mark:
        """Return the present."""
        return Mark(now=self.now(), skew=self._skew, boot=self._boot, up=self._up())

    def jumped(self) -> timedelta | None:
        """Compare the clocks, and remember how they stand."""
        with self._lock:
            skew = self._present_skew()
            if skew is None or abs(skew - self._skew) <= _JUMP:
                return None
            by, self._skew = skew - self._skew, skew
            return by

    def _present_skew(self) -> timedelta | None:
        """Return how far the wall clock is ahead; None if we are held up."""
        for _ in range(_GLANCES):
            before = self._up()
            wall = self.wall()
            if self._up() - before < _GLANCE:
                return wall - self._began - before
        return None

    def _up(self) -> timedelta:
        return self._of(time.CLOCK_BOOTTIME)

    def _of(self, clock: int) -> timedelta:
        return timedelta(0, 0, self._read(clock) // 1000)
