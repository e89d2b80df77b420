# SPDX-License-Identifier: Apache-2.0
"""How many connections of a lane one message may use beside its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from maildropd.mail.reply import Reply
from maildropd.queue.crew import LaneLimits
from maildropd.queue.roster import Roster
from maildropd.queue.route_watch import RouteWatch


class Places:
    """Lends what nobody else wants; shared by the threads of a lane."""

    def __init__(self, roster: Roster, route: RouteWatch, limits: LaneLimits) -> None:
        """Begin with nothing lent."""
        self._roster = roster
        self._route = route
        self.together = limits.max_recipients or sys.maxsize
        self.destination = route.destination

    @contextmanager
    def beside(self, recipients: int) -> Iterator[int]:
        """Lend connections for the time of one attempt; give how many.

        None where the way is broken: a probe is one connection.
        """
        wanted = (recipients - 1) // self.together
        if not wanted or self._route.reply:
            yield 0
            return
        lent = self._roster.lend(wanted)
        try:
            yield lent
        finally:
            self._roster.give_back(lent)

    def turned_away(self, number: int, reply: Reply) -> None:
        """The next hop served the other connections, and not so many of these."""
        room = self._roster.turned_away(number)
        if room is not None:
            self._route.crowded(room, reply)
