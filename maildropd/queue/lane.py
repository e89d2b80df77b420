# SPDX-License-Identifier: Apache-2.0
"""The connections to one next hop, each with the thread that uses it.

A few outcomes per connection may be on their way to the disk while the next
message is on the wire.  They share a commit, and bound what a crash can
deliver twice.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.queue.attempt import Attempt
from maildropd.queue.backlog import Backlog
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import Crew, LaneLimits
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Verdict, beyond, refenced
from maildropd.relay.base import Alive, Transport
from maildropd.store.base import Lease, Settled

_UNSETTLED = 2  # outcomes of one connection on their way to the disk
_SLACK = timedelta(seconds=30)  # what a step may take beyond its time limit


class Lane:
    """Work for one next hop."""

    def __init__(
        self,
        limits: LaneLimits,
        breaker: Breaker,
        route: RouteWatch,
        attempt: Attempt,
        transports: Callable[[], Transport],
    ) -> None:
        """Start without work and without connections."""
        self.breaker = breaker
        self.destination = route.destination
        self._limits = limits
        self._route = route
        self.attempt = attempt
        self._transports = transports
        self._changed = threading.Condition()
        self._backlog = Backlog()
        self._crew = Crew(limits.max_connections, breaker.clock)
        self._owed = False  # the manager was told to wait for room
        self._sweeping = False  # what waits for the broken route is too old
        self._retired = False

    @property
    def connections(self) -> int:
        """How many connections are in use or kept warm."""
        return self._crew.size

    @property
    def asks(self) -> bool:
        """Tell whether it ever wants mail that it is not given."""
        return self._limits.depth > 0

    @property
    def in_flight(self) -> int:
        """How many messages are leased for this lane."""
        with self._changed:
            return len(self._backlog)

    def wanted(self) -> int:
        """Return how many more recipients this lane can take now.

        A broken route gets one probe, when its pause is over; if that turns
        out to be too old, what waits beside it is looked at, too.  Little is
        asked for in lumps, not one by one.
        """
        wait = self.breaker.wait()
        with self._changed:
            queued = self._backlog.recipients
            if self._retired or not self.asks:
                room = 0
            elif wait is not None:
                probes = self._limits.depth if self._sweeping else int(not wait)
                room = 0 if self._backlog else probes
            else:
                room = self._limits.depth - queued
                room = room if room * 2 >= self._limits.depth else 0
            self._owed = not room
            return room

    def put_off(self) -> datetime | None:
        """Return when a lease that this lane did not ask for is to come again."""
        wait = self.breaker.wait()
        with self._changed:
            pause = wait if wait and not self._sweeping else None
            return self._backlog.put_off(self.breaker.clock.now(), pause)

    def offer(self, lease: Lease) -> bool:
        """Take a lease in; True means that a thread more is to ``work`` on it."""
        with self._changed:
            self._backlog.add(lease)
            self._changed.notify()
            return self._crew.hire(len(self._backlog.waiting))

    def not_hired(self) -> None:
        """The thread asked for cannot be had; those at work go on."""
        with self._changed:
            self._crew.size -= 1

    def stranded(self) -> bool:
        """Tell whether leases wait here and no thread will come for them.

        The last one may have left just before they came, or none was to be had;
        True means, as for ``offer``, that one is to ``work``.
        """
        with self._changed:
            alone = bool(self._backlog.waiting) and not self._crew.size
            self._crew.size += alone
            return alone

    def adopt(self, lease: Lease) -> Lease | None:
        """Join those of its recipients that are in flight here; return the others.

        The clock jumped, and the lease in flight seemed to have ended: the
        attempt under way must not be doubled, and settles with newer fences.
        """
        with self._changed:
            return self._backlog.adopt(lease)

    def retire(self) -> list[Lease]:
        """End all threads after their present message; return what still waits."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()
            return self._backlog.drain()

    def abort(self) -> None:
        """Break off all connections, whatever they are doing."""
        with self._changed:
            transports = self._crew.transports
        for transport in transports:
            transport.abort()

    def work(
        self, name: str, heartbeats: Heartbeats, finished: Callable[[], None]
    ) -> None:
        """Deliver until there is nothing to do or the lane retires; a thread's body."""
        alive = partial(_beat, heartbeats, name)
        transport = self._transports()
        unsettled: deque[tuple[list[Verdict], Future[Settled]]] = deque()
        with self._changed:
            self._crew.enter(name, transport)
        try:
            while (lease := self._take(heartbeats, name)) is not None:
                alive(timedelta(0))
                verdicts = self._deliver(lease, transport, alive)
                if verdicts is None:
                    break
                unsettled.append((verdicts, self.attempt.record(verdicts)))
                if any(e.comes_again for e in verdicts) or self._has_room():
                    finished()
                while len(unsettled) > (_UNSETTLED if self._backlog.waiting else 0):
                    self.attempt.insist(*unsettled.popleft(), alive)
            while unsettled:
                self.attempt.insist(*unsettled.popleft(), alive)
        finally:
            with self._changed:
                self._crew.leave(name)
            transport.close()
            heartbeats.rest(name)
            finished()

    def _deliver(
        self, lease: Lease, transport: Transport, alive: Alive
    ) -> list[Verdict] | None:
        """Return what became of a lease; None if another connection is to try."""
        queue_id = lease.envelope.queue_id
        with ExitStack() as undo:
            # A bug ends this thread; the message must not seem busy for ever.
            undo.callback(self._backlog.busy.pop, queue_id, None)
            verdicts = self._tried(lease, transport, alive)
            undo.pop_all()
        if verdicts is None:
            return None
        with self._changed:
            newest = self._backlog.busy.pop(queue_id)
            broken = self.breaker.broken is not None
            self._sweeping = broken and any(each.expired for each in verdicts)
        if newest is lease:
            return verdicts
        more = self.attempt.give_back(beyond(newest, lease))
        return refenced(verdicts, newest) + more

    def _tried(
        self, lease: Lease, transport: Transport, alive: Alive
    ) -> list[Verdict] | None:
        try:
            if self.breaker.wait():  # it broke while this waited for a connection
                return self.attempt.shed(lease, self._route)
            return self.attempt.try_once(lease, transport, self._route, alive)
        except RouteError as error:
            if self._turned_away(lease.envelope.queue_id, error):
                return None
            self._route.failed(error)
            return self.attempt.shed(lease, self._route, error.reply)

    def _turned_away(self, queue_id: QueueId, error: RouteError) -> bool:
        """Leave a lease to the others, if the relay serves those, but not one more."""
        if isinstance(error, RouteMisconfigured) or not self._route.serves:
            return False
        with self._changed:
            if self._crew.size < 2 or self._retired:
                return False
            self._backlog.put_back(queue_id)
            self._changed.notify()
            news, room = self._crew.turned_away(), self._crew.room
        if news:
            self._route.crowded(room, error.reply)
        return True

    def _has_room(self) -> bool:
        """Tell, once, that the manager may have waited for this."""
        with self._changed:
            queued = len(self._backlog.waiting)
            owed = self._owed and queued * 2 <= self._limits.depth
            self._owed = self._owed and not owed
        return owed or self.breaker.broken is not None

    def _take(self, heartbeats: Heartbeats, name: str) -> Lease | None:
        heartbeats.beat(name, self._limits.idle_timeout + _SLACK)
        with self._changed:
            self._crew.idle += 1
            try:
                self._changed.wait_for(
                    lambda: self._backlog.waiting or self._retired,
                    self._limits.idle_timeout.total_seconds(),
                )
            finally:
                self._crew.idle -= 1
            return self._backlog.take()


def _beat(heartbeats: Heartbeats, name: str, within: timedelta) -> None:
    heartbeats.beat(name, within + _SLACK)
