# SPDX-License-Identifier: Apache-2.0
"""Leases what is due, and hands it to the lanes; reads in batches, keeps no list.

Depth costs disk, not memory: at any time only as much is leased as the lanes
can soon send.
"""

import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count

from maildropd.host.clock import Clock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import TransientError
from maildropd.mail.event import Journal
from maildropd.mail.service_events import InternalError
from maildropd.queue import choice
from maildropd.queue.attempt import Attempt
from maildropd.queue.branches import Branches
from maildropd.queue.crew import STUCK
from maildropd.queue.lane import Lane
from maildropd.route.base import NextHop, Router
from maildropd.store.base import Lease, QueueStore

_LEASE = timedelta(hours=1)
_LONGEST_WAIT = timedelta(seconds=20)
_PAUSE = timedelta(seconds=1)  # between questions to a store that refuses
_GLANCE = timedelta(milliseconds=200)
_PATIENCE_AFTER_ABORT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """One configuration's way out: replaced whole by a reload."""

    router: Router
    lanes: Mapping[NextHop, Lane]
    attempt: Attempt  # of this configuration, to give back what never started
    branch: Callable[[NextHop], Lane] | None = None  # makes all other lanes
    most: int = 0  # of those may be at work at a time

    def branches(self, clock: Clock) -> Branches:
        """Return the lanes as they are before there is any mail."""
        return Branches(self.lanes, clock, self.branch, self.most)


class Manager:
    """The queue's loop, and the threads of its lanes."""

    def __init__(
        self,
        store: QueueStore,
        routing: Routing,
        journal: Journal,
        clock: Clock,
        heartbeats: Heartbeats,
    ) -> None:
        """Start at rest; ``start`` begins."""
        self._store = store
        self._clock = clock
        self._routing = self._next = routing
        self._branches = routing.branches(clock)
        self._journal = journal
        self._heartbeats = heartbeats
        self._changed = threading.Condition()
        self._awake = True
        self._stopping = False
        self._names = count(1)
        self._workers: list[threading.Thread] = []
        self._former: list[Lane] = []
        self._loop = threading.Thread(target=self._run, name="queue", daemon=True)

    @property
    def lanes(self) -> Mapping[NextHop, Lane]:
        """The lanes in use, for people to look at."""
        return self._branches.all()

    @property
    def in_flight(self) -> int:
        """How many messages are leased, also by lanes of a former configuration."""
        return sum(lane.in_flight for lane in (*self.lanes.values(), *self._former))

    def start(self) -> None:
        """Begin to deliver what is due."""
        self._loop.start()

    def wake(self) -> None:
        """Something may have fallen due, or a lane may want more."""
        if self._awake:
            return  # it has not looked yet since the last call
        with self._changed:
            self._awake = True
            self._changed.notify()

    def retry_now(self) -> None:
        """Probe broken routes at once."""
        for lane in self.lanes.values():
            lane.breaker.retry_now()
        self.wake()

    def reroute(self, routing: Routing) -> None:
        """Go on by another configuration; messages on the wire are finished.

        The loop itself makes the change, so that no lease is on its way to a
        lane that has retired.
        """
        self._next = routing
        self.wake()

    def stop(self, patience: Callable[[], bool]) -> None:
        """Finish what is on the wire, then return.

        ``patience`` is asked again and again; when it says False, what is
        still on the wire is broken off.
        """
        with self._changed:
            self._stopping = True
        self.wake()
        if self._loop.is_alive():
            self._loop.join()
        self._retire(self._routing.attempt)
        while (working := self._working()) and patience():
            working[0].join(_GLANCE.total_seconds())
        for lane in (*self.lanes.values(), *self._former):
            lane.abort()
        deadline = self._clock.monotonic() + _PATIENCE_AFTER_ABORT
        while (working := self._working()) and self._clock.monotonic() < deadline:
            working[0].join(_GLANCE.total_seconds())
        for lane in (*self.lanes.values(), *self._former):
            lane.attempt.own_up()

    def _working(self) -> list[threading.Thread]:
        return [each for each in self._workers if each.is_alive()]

    def _run(self) -> None:
        while not self._stopping:
            self._heartbeats.beat("queue", timedelta(minutes=2))
            try:
                pause = self._pass_once()
            except TransientError:
                pause = _PAUSE  # the store has said what is wrong with it
            except Exception as error:  # noqa: BLE001 (the queue goes on)
                trace = "".join(traceback.format_exception(error))
                self._journal.emit(
                    InternalError(where="queue", error=repr(error), traceback=trace)
                )
                pause = _PAUSE
            self._wait(pause)
        self._heartbeats.rest("queue")

    def _pass_once(self) -> timedelta:
        """Lease and hand out what is due; return how long nothing will be."""
        routing = self._present_routing()
        now = self._clock.now()
        self._branches.rest()
        if wanted := self._branches.wanted():
            for lease in self._store.claim(wanted, now, now + _LEASE).result():
                self._hand_out(lease, routing)
        for lane in self._branches.at_work():
            try:
                while lane.stranded():
                    self._hire(lane)
            except RuntimeError:
                if not lane.connections:
                    raise  # nobody is there for what waits
        return self._until_next()

    def _present_routing(self) -> Routing:
        former, self._routing = self._routing, self._next
        if former is not self._routing:
            # A lane with a thread may yet have outcomes to record.
            lanes = (*self._former, *self.lanes.values())
            self._former = [each for each in lanes if each.connections]
            self._retire(former.attempt)
            self._branches = self._routing.branches(self._clock)
        return self._routing

    def _until_next(self) -> timedelta:
        waits = [_LONGEST_WAIT]
        # A pause that is over is no reason to come back at once: whether there
        # is anything to probe with, the store says below.
        waits += [
            wait
            for lane in self._branches.at_work()
            if (wait := lane.breaker.wait()) and not lane.in_flight
        ]
        if any(lane.is_piled_up() for lane in self._branches.at_work()):
            waits.append(STUCK)
        if self._branches.wanted():
            due = self._store.next_due()
            if due is not None:
                waits.append(max(due - self._clock.now(), timedelta(0)))
        return min(waits)

    def _hand_out(self, lease: Lease, routing: Routing) -> None:
        for lane in (*self._branches.at_work(), *self._former):
            rest = lane.adopt(lease)
            if rest is None:
                return
            lease = rest
        old = self._clock.now() >= lease.give_up
        best = partial(choice.best, branches=self._branches, old=old)
        for hop, part in choice.split(lease, routing.router, best):
            later = self._offered(self._branches.of(hop), part)
            if later:
                routing.attempt.record(routing.attempt.give_back(part, later))

    def _offered(self, lane: Lane | None, lease: Lease) -> datetime | None:
        """Offer a lease; return when it is to come again if it is not taken."""
        if lane is None:
            return self._branches.put_off()
        # A lane that is alone gets what it asked for, and no more.
        later = None if lane.asks and self._branches.alone else lane.put_off()
        if later is None and lane.offer(lease):
            # Without a thread to be had, the others go on, or the end of
            # the pass asks again: no lease may stay behind unhandled.
            with suppress(RuntimeError):
                self._hire(lane)
        return later

    def _hire(self, lane: Lane) -> None:
        name = f"relay-{next(self._names)}"
        values = (name, self._heartbeats, self.wake)
        work = lane.work
        try:
            worker = threading.Thread(target=work, args=values, name=name, daemon=True)
            worker.start()
        except (RuntimeError, MemoryError) as error:
            lane.not_hired()
            raise RuntimeError("no more threads to be had") from error
        self._workers = [*self._working(), worker]

    def _retire(self, attempt: Attempt) -> None:
        for lane in self.lanes.values():
            for lease in lane.retire():
                attempt.record(attempt.give_back(lease))

    def _wait(self, pause: timedelta) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._awake or self._stopping, pause.total_seconds()
            )
            self._awake = False
