# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next attempt: a pure function, tested by a table."""

from dataclasses import dataclass
from datetime import timedelta

_JITTER = 0.2
_DOUBLINGS = 40  # far beyond any cap; keeps the power from overflowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double, from ``first`` up to ``slowest``."""

    first: timedelta
    slowest: timedelta

    def delay(self, attempts: int, jitter: float) -> timedelta:
        """Return the wait after so many attempts (1 or more).

        ``jitter`` in [0, 1) shortens it by up to a fifth, so that mail which
        was deferred together does not come back together.
        """
        doublings = min(max(attempts - 1, 0), _DOUBLINGS)
        seconds = min(
            self.first.total_seconds() * 2**doublings, self.slowest.total_seconds()
        )
        return timedelta(seconds=seconds * (1 - _JITTER * jitter))
