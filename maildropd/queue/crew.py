# SPDX-License-Identifier: Apache-2.0
"""The threads of a lane, each with one connection: how many there may be.

A relay may serve fewer than ``max_connections``, and says so by refusing the
next one.  That is no broken route: those that it serves go on, and after a
while one more is tried again.
"""

from dataclasses import dataclass
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.relay.base import Transport

_REGROWS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """How much a next hop is given at a time."""

    max_connections: int
    idle_timeout: timedelta
    depth: int = 100  # leased messages that wait for a connection; 0: it never asks


class Crew:
    """Counted under the lock of its lane."""

    def __init__(self, most: int, clock: Clock) -> None:
        """Begin with nobody."""
        self.size = 0
        self.idle = 0
        self.room = most
        self._most = most
        self._told = most
        self._clock = clock
        self._since = timedelta(0)
        self._open: dict[str, Transport] = {}

    @property
    def transports(self) -> list[Transport]:
        """Return the connections of all."""
        return list(self._open.values())

    def hire(self, waiting: int) -> bool:
        """Count one more if there is work and room for one; tell whether."""
        hired = waiting > self.idle and self.size < self._grown()
        self.size += hired
        return hired

    def enter(self, name: str, transport: Transport) -> None:
        """Note a connection; its thread was counted when it was hired."""
        self._open[name] = transport

    def leave(self, name: str) -> None:
        """Let a thread and its connection go."""
        del self._open[name]
        self.size -= 1

    def turned_away(self) -> bool:
        """Note that the relay serves the others only; tell whether that is news."""
        self.room = max(self.size - 1, 1)
        self._since = self._clock.monotonic()
        news = self.room != self._told
        self._told = self.room
        return news

    def _grown(self) -> int:
        now = self._clock.monotonic()
        if self.room < self._most and now - self._since >= _REGROWS:
            self.room += 1
            self._since = now
        return self.room
