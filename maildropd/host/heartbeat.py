# SPDX-License-Identifier: Apache-2.0
"""Proof of progress: each loop says by when it will be heard of again.

The watchdog is fed only while every promise holds, so that a hung loop gets
the daemon restarted, and a slow smarthost, which has its own time limits,
does not.
"""

import threading
from datetime import timedelta

from maildropd.host.clock import Clock

_ABSENCE = timedelta(minutes=2)  # of one who asks every few seconds


class Heartbeats:
    """The promises of all loops; safe to call from any thread."""

    def __init__(self, clock: Clock) -> None:
        """Start without promises."""
        self._clock = clock
        self._lock = threading.Lock()
        self._promises: dict[str, timedelta] = {}
        self._asked: timedelta | None = None

    def beat(self, loop: str, within: timedelta) -> None:
        """Promise, for a loop, to be back within this time."""
        with self._lock:
            self._promises[loop] = self._clock.monotonic() + within

    def rest(self, loop: str) -> None:
        """Drop a loop's promise: it ended, or waits for work without limit."""
        with self._lock:
            self._promises.pop(loop, None)

    def late(self) -> tuple[str, ...]:
        """Return the loops whose promise is broken.

        Who asks after a long absence was stopped, and so was everybody else:
        that time does not count.
        """
        now = self._clock.monotonic()
        with self._lock:
            absence = now - (now if self._asked is None else self._asked)
            self._asked = now
            if absence > _ABSENCE:
                for name in self._promises:
                    self._promises[name] += absence
            return tuple(name for name, by in self._promises.items() if by < now)
