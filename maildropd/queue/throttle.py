# SPDX-License-Identifier: Apache-2.0
"""No more than so many messages in any stretch of time, to one next hop."""

from datetime import timedelta

from maildropd.config.rate import Rate
from maildropd.host.clock import Clock

_NOW = timedelta(0)


class Throttle:
    """Lets a few through at once, and the others at an even pace behind them.

    A quarter may go together; what is left of the amount is spread over the
    period.  So no stretch of that length ever sees more than the amount.
    """

    def __init__(self, rate: Rate, clock: Clock) -> None:
        """Begin with nothing sent."""
        self._clock = clock
        together = max(rate.amount // 4, 1)
        spread = max(rate.amount - together, 1)
        self._step = rate.period / spread
        if rate.amount == 1:
            self._step = rate.period
        self._slack = self._step * (together - 1)
        self._next = clock.monotonic()

    def wait(self) -> timedelta:
        """Return how long until one more may go."""
        early = self._next - self._slack - self._clock.monotonic()
        return max(early, _NOW)

    def take(self) -> None:
        """Note that one goes."""
        self._next = max(self._next, self._clock.monotonic()) + self._step
