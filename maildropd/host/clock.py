# SPDX-License-Identifier: Apache-2.0
"""Time, passed in, so that tests can hold it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one people read, one that never jumps."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC; it may jump."""
        ...

    def monotonic(self) -> timedelta:
        """Return the time since some fixed point; it only grows."""
        ...


class SystemClock:
    """The kernel's clocks."""

    def now(self) -> datetime:
        """Return CLOCK_REALTIME."""
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        """Return CLOCK_MONOTONIC."""
        return timedelta(seconds=time.monotonic())
