# SPDX-License-Identifier: Apache-2.0
"""The threads of a lane, each with one connection: how many there may be.

A relay may serve fewer than ``max_connections``, and says so by refusing the
next one.  That is no broken route: those that it serves go on, and after a
while one more is tried again.  It begins with a few, and each message that is
through makes room for one more; where those at work are quick, more threads
would only be in their way.
"""

from dataclasses import dataclass
from datetime import timedelta

from maildropd.config.rate import Rate
from maildropd.host.clock import Clock
from maildropd.host.load import Load
from maildropd.relay.base import Transport

_REGROWS = timedelta(minutes=1)
_FIRST = 4
_COST = timedelta(milliseconds=1)  # of the processor, for a message, and more
STUCK = timedelta(milliseconds=100)  # nothing was through for so long
_IDLE, _BUSY = 0.6, 0.9  # of a processor
_WEIGHT = 8  # of what is known of the pace, beside one message more


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """How much a next hop is given at a time."""

    max_connections: int
    idle_timeout: timedelta
    depth: int = 100  # leased messages that wait for a connection; 0: it never asks
    rate: Rate | None = None  # of messages
    max_recipients: int = 0  # in one transaction; 0: a message is never parted


class Crew:
    """Counted under the lock of its lane."""

    def __init__(self, most: int, clock: Clock) -> None:
        """Begin with nobody."""
        self.size = 0
        self.idle = 0  # of these; they wait for work, or are on their way to it
        self.lent = 0  # connections beside those of the threads
        self.room = min(most, _FIRST)
        self._most = most
        self._told = most
        self._clock = clock
        self._since = timedelta(0)
        self._refused = False  # not long ago
        self._stirred = timedelta(0)  # the last message that was through
        self._pace: timedelta | None = None  # a message's time, on one connection
        self._load = Load(clock)
        self._open: dict[str, Transport] = {}

    @property
    def transports(self) -> list[Transport]:
        """Return the connections of all."""
        return list(self._open.values())

    def hire(self, waiting: int) -> bool:
        """Count one more if there is work and room for one; tell whether.

        It is idle until it has something, so that for what it comes for nobody
        else is hired.
        """
        hired = self.calls(waiting)
        self.size += hired
        self.idle += hired
        return hired

    def not_hired(self) -> None:
        """Take back that one was counted."""
        self.size -= 1
        self.idle -= 1

    def calls(self, waiting: int) -> bool:
        """Tell whether there is work and room for one more."""
        if waiting <= self.idle or not self._left(self._grown()):
            return False
        return self.lacks(waiting)

    def lend(self, wanted: int) -> int:
        """Count connections that a message uses beside its own; return how many.

        There is work for all of them, so they need not grow one by one.
        """
        number = min(wanted, self._left(self._grown() if self._refused else self._most))
        self.lent += number
        return number

    def lacks(self, waiting: int) -> bool:
        """Tell whether those at work would need long for what waits."""
        at_work = self.size - self.idle
        if not waiting or at_work <= 0 or self._pace is None:
            return bool(waiting)
        if self._clock.monotonic() - self._stirred > STUCK:  # they hang
            return True
        # If it were the processor that they wait for, it would take no longer.
        slow = self._pace > _COST * at_work
        return slow or self._load.lately() < _IDLE

    def exceeds(self) -> bool:
        """Tell whether one less would do as well: they are in each other's way."""
        others = self.size - self.idle - 1
        if others <= 0 or self._pace is None:
            return False
        quick = self._pace < _COST * others
        return quick and self._load.lately() > _BUSY

    def stirred(self) -> None:
        """Note that somebody begins to work."""
        self._stirred = self._clock.monotonic()

    def done(self, began: timedelta) -> None:
        """Note that a message is through that was begun then."""
        self._stirred = self._clock.monotonic()
        took = self._stirred - began
        if self._pace is None:
            self._pace = took
        self._pace += (took - self._pace) / _WEIGHT
        if not self._refused:
            self.room = min(self.room + 1, self._most)

    def enter(self, name: str, transport: Transport) -> None:
        """Note a connection; its thread was counted when it was hired."""
        self._open[name] = transport

    def leave(self, name: str) -> None:
        """Let a thread and its connection go."""
        del self._open[name]
        self.size -= 1

    def turned_away(self, number: int = 1) -> bool:
        """Note that the relay serves the others only; tell whether that is news."""
        self.room = max(self.size + self.lent - number, 1)
        self._refused = True
        self._since = self._clock.monotonic()
        news = self.room != self._told
        self._told = self.room
        return news

    def _left(self, most: int) -> int:
        return max(most - self.size - self.lent, 0)

    def _grown(self) -> int:
        if self._refused:
            now = self._clock.monotonic()
            if now - self._since >= _REGROWS:
                self.room = min(self.room + 1, self._most)
                self._since = now
                self._refused = self.room < self._most
        return self.room
