# SPDX-License-Identifier: Apache-2.0
"""Which thread of a lane does what next, and when one of them may rest.

Each is promised what comes next while it is busy with the last one.  Where few
are quick enough the others rest; what those at work do not get to, because one
of them hangs, goes to whoever is free.
"""

import threading
from collections.abc import Callable
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.queue.backlog import Backlog
from maildropd.queue.crew import STUCK, Crew, LaneLimits
from maildropd.queue.throttle import Throttle
from maildropd.relay.base import Alive, Transport
from maildropd.store.base import Lease


class Roster:
    """All of it is guarded by ``changed``; the methods take that themselves."""

    def __init__(self, limits: LaneLimits, clock: Clock) -> None:
        """Begin without work and without threads."""
        self.changed = threading.Condition()
        self.backlog = Backlog()
        self.crew = Crew(limits.max_connections, clock)
        self.retired = False
        self._limits = limits
        self._clock = clock
        self._throttle = Throttle(limits.rate, clock) if limits.rate else None

    def first(self, name: str, transport: Transport, alive: Alive) -> Lease | None:
        """Let a thread in, idle since it was hired; return what it is to begin with."""
        with self.changed:
            self.crew.enter(name, transport)
            return self._awaited(alive)

    def leave(self, name: str) -> None:
        """Let a thread and its connection go; another may have its place."""
        with self.changed:
            self.crew.leave(name)
            self.changed.notify_all()

    def take(
        self, promised: Lease | None, alive: Alive, settle: Callable[[], None]
    ) -> Lease | None:
        """Return what to do next; None after a while without work, or at the end.

        ``settle`` is called before the thread rests: nothing that it has done
        may wait for its next message.
        """
        if promised:
            with self.changed:
                if lease := self._promised(promised, self._clock.monotonic()):
                    return lease
        settle()
        with self.changed:
            self.crew.idle += 1
            return self._awaited(alive)

    def promise(self) -> Lease | None:
        """Return what the thread is to do next, unless somebody idle can now."""
        now = self._clock.monotonic()
        with self.changed:
            if self._throttle or self.retired:
                return None
            free = self.backlog.free(now)
            if self.crew.idle and self.crew.lacks(free):
                self.changed.notify()
                return None
            return None if self.crew.exceeds() else self.backlog.promise(now)

    def release(self, promised: Lease | None) -> None:
        """Let others have it."""
        if promised is not None:
            with self.changed:
                self.backlog.release(promised)
                self.changed.notify()

    def lend(self, wanted: int) -> int:
        """Let one message use more connections than its own, if nobody waits."""
        with self.changed:
            if self._throttle or self.retired or self.backlog.waiting:
                return 0
            return self.crew.lend(wanted)

    def give_back(self, lent: int) -> None:
        """They are closed."""
        with self.changed:
            self.crew.lent -= lent

    def turned_away(self, number: int = 1) -> int | None:
        """Note that the relay serves the others only; return how many if it is news."""
        with self.changed:
            return self.crew.room if self.crew.turned_away(number) else None

    def transports(self) -> list[Transport]:
        """Return the connections of all."""
        with self.changed:
            return self.crew.transports

    def _promised(self, promised: Lease, now: timedelta) -> Lease | None:
        return None if self.retired else self.backlog.take(now, promised)

    def _awaited(self, alive: Alive) -> Lease | None:
        until = self._clock.monotonic() + self._limits.idle_timeout
        try:
            while not self._is_next(now := self._clock.monotonic()):
                left = self._pause(until - now)
                if left <= timedelta(0):
                    return None
                alive(left)
                self.changed.wait(left.total_seconds())
        finally:
            self.crew.idle -= 1
            self.crew.stirred()
        if self.retired:
            return None
        if self._throttle:
            self._throttle.take()
        return self.backlog.take(now)

    def _is_next(self, now: timedelta) -> bool:
        """Tell whether an idle thread is to take something, or to go."""
        if self.retired:
            return True
        if self._throttle and self._throttle.wait():
            return False
        return self.crew.lacks(self.backlog.free(now))

    def _pause(self, left: timedelta) -> timedelta:
        """Return how long an idle thread may rest before it looks again."""
        if not self.backlog.waiting:
            return left
        if self._throttle and (wait := self._throttle.wait()):
            return wait
        return STUCK  # those at work are quick enough, unless they hang
