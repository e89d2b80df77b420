# SPDX-License-Identifier: Apache-2.0
"""The lanes of one configuration: those that are always there, those on demand.

A domain whose servers only DNS knows gets its lane with its first mail.  Only
so many are at work at a time, and mail of further domains waits; those at rest
are kept for a while, since it should be remembered that a way is broken.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from maildropd.host.clock import Clock
from maildropd.queue.lane import Lane
from maildropd.route.base import NextHop

_REMEMBERED = 1000
_DEPTH = 100
_ASIDE = timedelta(seconds=5)
_APART = timedelta(milliseconds=10)


class Branches:
    """Lanes by next hop; only the manager's thread may ask for one."""

    def __init__(
        self,
        lasting: Mapping[NextHop, Lane],
        clock: Clock,
        make: Callable[[NextHop], Lane] | None = None,
        most: int = 0,
    ) -> None:
        """Take the lanes that stay; ``most`` others may be at work at a time."""
        self._lasting = lasting
        self._clock = clock
        self._make = make
        self._most = most
        self._busy: dict[NextHop, Lane] = {}
        self._resting: dict[NextHop, Lane] = {}  # the longest unused first
        self._slot: datetime | None = None
        self.alone = not most and sum(lane.asks for lane in lasting.values()) == 1

    def at_work(self) -> list[Lane]:
        """Return the lanes that may want something."""
        return [*self._lasting.values(), *self._busy.values()]

    def all(self) -> dict[NextHop, Lane]:
        """Return every lane that there is; callable from any thread."""
        return {**self._lasting, **self._busy, **self._resting}

    def known(self, hop: NextHop) -> Lane | None:
        """Return a lane, if there is one yet."""
        return self._lasting.get(hop) or self._busy.get(hop) or self._resting.get(hop)

    def of(self, hop: NextHop) -> Lane | None:
        """Return the lane of a next hop; None if there can be no more now."""
        lane = self._lasting.get(hop) or self._busy.get(hop)
        if lane is not None:
            return lane
        if self._make is None or not self._room():
            return None
        lane = self._resting.pop(hop, None) or self._make(hop)
        self._busy[hop] = lane
        return lane

    def wanted(self) -> int:
        """Return how many more recipients the lanes can take now.

        All are asked: who gets nothing has to know that he is waited for.
        """
        more = _DEPTH if len(self._busy) < self._most else 0  # for lanes to come
        return max([more, *(lane.wanted() for lane in self.at_work())])

    def put_off(self) -> datetime:
        """Return when a lease is to come again that found no lane."""
        soonest = self._clock.now() + _ASIDE
        self._slot = max(soonest, (self._slot or soonest) + _APART)
        return self._slot

    def rest(self) -> None:
        """Note which lanes have nothing to do any more."""
        for hop, lane in list(self._busy.items()):
            if not lane.connections and not lane.in_flight:
                self._resting[hop] = self._busy.pop(hop)
        while len(self._resting) > _REMEMBERED:
            del self._resting[next(iter(self._resting))]

    def _room(self) -> bool:
        """Tell whether one more may work; for it, one that only stays warm ends."""
        if len(self._busy) < self._most:
            return True
        for hop, lane in self._busy.items():
            if not lane.in_flight:
                lane.retire()
                del self._busy[hop]
                self._resting[hop] = lane.successor()
                return True
        return False
