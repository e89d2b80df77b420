# SPDX-License-Identifier: Apache-2.0
"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta

from maildropd.host.clock import Mark


class FakeClock:
    """All clocks of the house, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # the queue's
        self.up = timedelta(seconds=1000)
        self.ahead = timedelta(0)  # the wall clock, of the queue's time
        self.known = timedelta(0)  # how much of that was noticed
        self._set_at: timedelta | None = None

    def now(self) -> datetime:
        return self.time

    def wall(self) -> datetime:
        return self.time + self.ahead

    def on_wall(self, at: datetime) -> datetime:
        return at + self.known

    def undisturbed(self) -> timedelta:
        return timedelta.max if self._set_at is None else self.up - self._set_at

    def monotonic(self) -> timedelta:
        return self.up

    def go_on(self, mark: Mark) -> None:
        self.time = max(mark.now, self.wall() - mark.skew)
        self.known = mark.skew

    def mark(self) -> Mark:
        return Mark(now=self.time, skew=self.known, boot="", up=self.up)

    def jumped(self) -> timedelta | None:
        by, self.known = self.ahead - self.known, self.ahead
        return by or None

    def forward(self, delta: timedelta) -> None:
        """Let time pass on all."""
        self.time += delta
        self.up += delta

    def suspend(self, delta: timedelta) -> None:
        """Let the host sleep: time passes, and the stop-watch stands still."""
        self.time += delta
        self._set_at = self.up

    def jump(self, delta: timedelta) -> None:
        """Set the time of day, as an operator or NTP does."""
        self.ahead += delta
        self._set_at = self.up
