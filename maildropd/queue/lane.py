# SPDX-License-Identifier: Apache-2.0
"""The connections to one next hop, each with the thread that uses it.

Each knows what it is to do next, and may begin with that in advance.  Where few
are quick enough the others rest.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.queue.attempt import Attempt
from maildropd.queue.books import Books
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.errand import Errand
from maildropd.queue.places import Places
from maildropd.queue.roster import Roster
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.spread import Spread
from maildropd.queue.verdict import Verdict, beyond, refenced
from maildropd.relay.base import Alive, Transport
from maildropd.store.base import Lease

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
        self._limits, self._route, self.attempt = limits, route, attempt
        self._transports = transports
        self._roster = Roster(limits, breaker.clock)
        self._places = Places(self._roster, route, limits)
        self._owed = False  # the manager was told to wait for room
        self._sweeping = False  # what waits for the broken route is too old

    @property
    def connections(self) -> int:
        """How many connections are in use or kept warm."""
        return self._roster.crew.size

    @property
    def asks(self) -> bool:
        """Tell whether it ever wants mail that it is not given."""
        return self._limits.depth > 0

    @property
    def in_flight(self) -> int:
        """How many messages are leased for this lane."""
        with self._roster.changed:
            return len(self._roster.backlog)

    def wanted(self) -> int:
        """Return how many more recipients it can take now.

        A broken route gets one probe when its pause is over, and if that is too
        old, all.  Little is asked for in lumps, not one by one.
        """
        wait = self.breaker.wait()
        with self._roster.changed:
            queued = self._roster.backlog.recipients
            if self._roster.retired or not self.asks:
                room = 0
            elif wait is not None:
                probes = self._limits.depth if self._sweeping else int(not wait)
                room = 0 if self._roster.backlog else probes
            else:
                room = self._limits.depth - queued
                room = room if room * 2 >= self._limits.depth else 0
            self._owed = not room
            return room

    def put_off(self) -> datetime | None:
        """Return when a lease that this lane did not ask for is to come again."""
        wait = self.breaker.wait()
        with self._roster.changed:
            pause = wait if wait and not self._sweeping else None
            return self._roster.backlog.put_off(self.breaker.clock.now(), pause)

    def offer(self, lease: Lease) -> bool:
        """Take a lease in; True means that a thread more is to ``work`` on it."""
        with self._roster.changed:
            self._roster.backlog.add(lease)
            if self._roster.crew.lacks(len(self._roster.backlog.waiting)):
                self._roster.changed.notify()
            return self._hires()

    def not_hired(self) -> None:
        """The thread asked for cannot be had; those at work go on."""
        with self._roster.changed:
            self._roster.crew.not_hired()

    def stranded(self) -> bool:
        """Tell whether leases wait here, and a thread more is to come for them.

        The last one may have left just before they came, or none was to be had;
        True means, as for ``offer``, that one is to ``work``.
        """
        with self._roster.changed:
            return not self._roster.retired and self._hires()

    def is_piled_up(self) -> bool:
        """Tell whether what waits is to be looked at again soon, lest it is stuck."""
        with self._roster.changed:
            return bool(self._roster.backlog.waiting) and not self.breaker.broken

    def adopt(self, lease: Lease) -> Lease | None:
        """Join those of its recipients that are in flight here; return the others.

        The clock jumped, and the lease in flight seemed to have ended: the
        attempt under way must not be doubled, and settles with newer fences.
        """
        with self._roster.changed:
            return self._roster.backlog.adopt(lease)

    def retire(self) -> list[Lease]:
        """End all threads after their present message; return what still waits."""
        with self._roster.changed:
            self._roster.retired = True
            self._roster.changed.notify_all()
            return self._roster.backlog.drain()

    def successor(self) -> "Lane":
        """Return a lane without threads that knows of the route what this one does."""
        known = (self._limits, self.breaker, self._route)
        return Lane(*known, self.attempt, self._transports)

    def abort(self) -> None:
        """Break off all connections, whatever they are doing."""
        for transport in self._roster.transports():
            transport.abort()

    def work(
        self, name: str, heartbeats: Heartbeats, finished: Callable[[], None]
    ) -> None:
        """Deliver until there is nothing to do or the lane retires; a thread's body."""
        alive = partial(_beat, heartbeats, name)
        clock, journal = self.breaker.clock, self.attempt.journal
        with ExitStack() as undo:
            undo.callback(self.not_hired)  # without memory it never came
            transport = Spread(self._transports, self._places, clock, journal)
            books = Books(self.attempt, clock, alive)
            undo.pop_all()
        try:
            lease = self._roster.first(name, transport, alive)
            while lease:
                alive(timedelta(0))
                promised = self._roster.promise()
                verdicts = self._deliver(Errand(lease, promised), transport, alive)
                if verdicts is None:
                    break
                books.enter(verdicts, more=promised is not None)
                if self._wants_manager(verdicts):
                    finished()
                lease = self._roster.take(promised, alive, books.close)
            books.close()
        finally:
            self._roster.leave(name)
            transport.close()
            heartbeats.rest(name)
            finished()

    def _deliver(
        self, errand: Errand, transport: Transport, alive: Alive
    ) -> list[Verdict] | None:
        """Return what became of a lease; None if another connection is to try."""
        lease, began = errand.lease, self.breaker.clock.monotonic()
        queue_id = lease.envelope.queue_id
        with ExitStack() as undo:
            # A bug ends this thread; no message must seem busy for ever.
            undo.callback(self._roster.release, errand.following)
            undo.callback(self._roster.backlog.busy.pop, queue_id, None)
            verdicts = self._tried(errand, transport, alive)
            undo.pop_all()
        if verdicts is None:  # it waits again, or another has it by now
            self._roster.release(errand.following)
            return None
        with self._roster.changed:
            self._roster.crew.done(began)
            newest = self._roster.backlog.busy.pop(queue_id)
            broken = self.breaker.broken is not None
            self._sweeping = broken and any(each.expired for each in verdicts)
        if newest is lease:
            return verdicts
        more = self.attempt.give_back(beyond(newest, lease))
        return refenced(verdicts, newest) + more

    def _tried(
        self, errand: Errand, transport: Transport, alive: Alive
    ) -> list[Verdict] | None:
        lease = errand.lease
        try:
            if self.breaker.wait():  # it broke while this waited for a connection
                return self.attempt.shed(lease, self._route)
            return self.attempt.try_once(errand, transport, self._route, alive)
        except RouteError as error:
            if self._turned_away(lease.envelope.queue_id, error):
                return None
            self._route.failed(error)
            return self.attempt.shed(lease, self._route, error.reply)

    def _turned_away(self, queue_id: QueueId, error: RouteError) -> bool:
        """Leave a lease to the others, if the relay serves those, but not one more."""
        if isinstance(error, RouteMisconfigured) or not self._route.serves:
            return False
        with self._roster.changed:
            if self._roster.crew.size < 2 or self._roster.retired:
                return False
            self._roster.backlog.put_back(queue_id)
            self._roster.changed.notify()
        self._places.turned_away(1, error.reply)
        return True

    def _hires(self) -> bool:
        """Count one thread more, if there is work for it; one alone may probe."""
        crew = self._roster.crew
        probed = self.breaker.broken is not None and crew.size
        return not probed and crew.hire(len(self._roster.backlog.waiting))

    def _wants_manager(self, verdicts: Sequence[Verdict]) -> bool:
        """Tell whether it has something to look at; of room here, only once."""
        with self._roster.changed:
            queued = len(self._roster.backlog.waiting)
            owed = self._owed and queued * 2 <= self._limits.depth
            self._owed = self._owed and not owed
            short = self._roster.crew.calls(queued)
        again = self.breaker.broken or any(each.comes_again for each in verdicts)
        return bool(owed or short or again)


def _beat(heartbeats: Heartbeats, name: str, within: timedelta) -> None:
    heartbeats.beat(name, within + _SLACK)
