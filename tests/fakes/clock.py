# SPDX-License-Identifier: Apache-2.0
"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Both clocks of the house, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.up = timedelta(seconds=1000)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> timedelta:
        return self.up

    def forward(self, delta: timedelta) -> None:
        """Let time pass on both."""
        self.time += delta
        self.up += delta

    def jump(self, delta: timedelta) -> None:
        """Set the time of day, as an operator or NTP does."""
        self.time += delta
