# SPDX-License-Identifier: Apache-2.0
"""How busy this process is: whether one more thread would find a processor.

Python runs one thread at a time; where that is busy already, more of them
only take turns.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from maildropd.host.clock import Clock

_WINDOW = timedelta(milliseconds=100)


class Load:
    """Measured over the last moments; asked by one thread at a time."""

    def __init__(
        self, clock: Clock, used: Callable[[], float] = time.process_time
    ) -> None:
        """Begin with an idle process."""
        self._clock = clock
        self._used = used
        self._lately = 0.0
        self._since = clock.monotonic()
        self._before = used()

    def lately(self) -> float:
        """Return which share of one processor all threads together have used."""
        now = self._clock.monotonic()
        passed = now - self._since
        if passed >= _WINDOW:
            used = self._used()
            self._lately = (used - self._before) / passed.total_seconds()
            self._since, self._before = now, used
        return self._lately
