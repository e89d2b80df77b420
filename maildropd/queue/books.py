# SPDX-License-Identifier: Apache-2.0
"""What one connection still has to see recorded.

Outcomes of a few messages share a way to the disk, and a few such groups may
be under way while the next message is on the wire.  That bounds what a crash
can deliver twice.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.queue.attempt import Attempt
from maildropd.queue.verdict import Verdict
from maildropd.relay.base import Alive
from maildropd.store.base import Settled

_UNSETTLED = 2  # groups on their way to the disk
_GROUP = 2  # recipients
_LATE = timedelta(milliseconds=5)  # company is no reason to wait for longer


class Books:
    """Used by the thread of the connection alone."""

    def __init__(self, attempt: Attempt, clock: Clock, alive: Alive) -> None:
        """Begin with nothing to record."""
        self._attempt = attempt
        self._clock = clock
        self._alive = alive
        self._open: list[Verdict] = []
        self._since = timedelta(0)
        self._unsettled: deque[tuple[list[Verdict], Future[Settled]]] = deque()

    def enter(self, verdicts: Sequence[Verdict], *, more: bool) -> None:
        """Have verdicts recorded soon; now, and to the end, if nothing follows."""
        now = self._clock.monotonic()
        if not self._open:
            self._since = now
        self._open += verdicts
        full = len(self._open) >= _GROUP or now - self._since > _LATE
        if full or not more:
            self._hand_over()
        self._insist(_UNSETTLED if more else 0)

    def close(self) -> None:
        """Have all recorded: what was to follow does not, another has taken it."""
        self._hand_over()
        self._insist(0)

    def _hand_over(self) -> None:
        group, self._open = self._open, []
        if group:
            self._unsettled.append((group, self._attempt.record(group)))

    def _insist(self, most: int) -> None:
        while len(self._unsettled) > most:
            self._attempt.insist(*self._unsettled.popleft(), self._alive)
