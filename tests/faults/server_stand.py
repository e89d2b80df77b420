# SPDX-License-Identifier: Apache-2.0
"""The queue and the real transport before a scripted server, with time held.

Joined as daemon/compose.py does it.  The clock of the queue stands still, so
that "when is it tried again" has one answer; the transport's own runs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

from maildropd.config.relay import RelayConfig
from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import Envelope, QueueId, Submission, Submitter, queue_id
from maildropd.mail.event import Event
from maildropd.mail.events import MessageDone, RecipientDelivered
from maildropd.queue.attempt import Attempt
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Manager, Routing
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge
from maildropd.relay.identity.login import Login
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from maildropd.route.base import NextHop, Router
from maildropd.store.base import (
    LeasedRecipient,
    MessageView,
    Notice,
    Settled,
    Settlement,
    State,
    Stored,
)
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fakes.reporting import reporter

DAYS = timedelta(days=5)
SMALL = b"Subject: x\n\nx\n"
PATIENCE = 30.0  # seconds, until something that must happen has not
_GLANCE = 0.05


class Watched:
    """Something changed that a test may wait for: on disk, or in the journal."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def tell(self, _: object = None) -> None:
        """Have everybody look."""
        with self._changed:
            self._changed.notify_all()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; look at each change, and now and then."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not holds():
                assert time.monotonic() < deadline, what
                self._changed.wait(_GLANCE)


class WatchedStore(SqliteStore):
    """A store that tells when outcomes are on disk."""

    watched: Watched

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[Notice] = ()
    ) -> Future[Settled]:
        future = super().settle(settlements, notices)
        future.add_done_callback(self.watched.tell)
        return future


class WatchedJournal(FakeJournal):
    """A journal that tells of each event."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched

    def emit(self, event: Event) -> None:
        super().emit(event)
        self._watched.tell()


class ByDomain:
    """A router that goes by what follows the @, or has one answer."""

    def __init__(self, hops: dict[str, NextHop]) -> None:
        self._hops = hops

    def next_hops(self, _: Envelope, recipient: LeasedRecipient) -> tuple[NextHop, ...]:
        domain = recipient.forward_path.rpartition("@")[2]
        return (self._hops.get(domain) or self._hops[""],)


class Stand:
    """A queue before one or more relays."""

    def __init__(
        self,
        folder: Path,
        *relays: RelayConfig,
        login: Login | None = None,
        clock: SystemClock | None = None,
    ) -> None:
        """Serve the first relay all mail, but for domains named like another.

        Time is held, unless there is a clock.
        """
        self.held = FakeClock()
        self.clock: FakeClock | SystemClock = clock or self.held
        watched = Watched()
        self.until = watched.until
        self.journal = WatchedJournal(watched)
        self.heartbeats = Heartbeats(self.clock)
        folder.mkdir(parents=True, exist_ok=True)
        self.store = WatchedStore(
            folder, "test", self.journal, self.clock, self.heartbeats
        )
        self.store.watched = watched
        self.breakers: list[Breaker] = []
        self._login = login
        self._number = 0
        self.manager = Manager(
            self.store,
            self._routing(relays),
            self.journal,
            self.clock,
            self.heartbeats,
        )

    def _routing(self, relays: Sequence[RelayConfig]) -> Routing:
        backoff = Backoff(first=timedelta(minutes=5), slowest=timedelta(hours=4))
        judge = Judge(backoff, jitter=lambda: 0.0)
        attempt = Attempt(
            self.store,
            judge,
            reporter(self.store, self.clock),
            self.journal,
            self.clock,
        )
        hops = {
            relay.name: NextHop(relay=relay.name, destination=relay.destination)
            for relay in relays
        }
        lanes = {hops[each.name]: self._lane(each, attempt) for each in relays}
        router: Router = ByDomain({"": hops[relays[0].name], **hops})
        return Routing(router=router, lanes=lanes, attempt=attempt)

    def _lane(self, relay: RelayConfig, attempt: Attempt) -> Lane:
        breaker = Breaker(self.clock)
        self.breakers.append(breaker)
        limits = LaneLimits(
            max_connections=relay.max_connections, idle_timeout=relay.idle_timeout
        )
        watch = RouteWatch(relay.destination, breaker, self.journal)
        who = Identity(config=relay, hostname="client.example", login=self._login)
        return Lane(
            limits,
            breaker,
            watch,
            attempt,
            lambda: SmtpTransport(who, SystemClock()),
        )

    @property
    def breaker(self) -> Breaker:
        """That of the one relay."""
        [breaker] = self.breakers
        return breaker

    def add(self, *recipients: str, content: bytes = SMALL) -> QueueId:
        """Put a message into the queue."""
        stored = self._submit(recipients, content).result()
        self.manager.wake()
        return stored.queue_id

    def pour(self, count: int, domain: str) -> None:
        """Put many into the queue, in few commits."""
        futures = [
            self._submit((f"r{number}@{domain}",), SMALL) for number in range(count)
        ]
        for future in futures:
            future.result()
        self.manager.wake()

    def _submit(self, recipients: tuple[str, ...], content: bytes) -> Future[Stored]:
        self._number += 1
        now = self.clock.now()
        name = queue_id(now + timedelta(microseconds=self._number), 0)
        submission = Submission(
            reverse_path=None,  # who fails stays to be looked at
            recipients=recipients,
            submitter=Submitter(name="test"),
            content=[content],
        )
        return self.store.add(submission, name, (now, now + DAYS))

    def start(self) -> None:
        """Begin to deliver."""
        self.manager.start()

    def go(self, delta: timedelta) -> None:
        """Let time pass, and have the queue notice."""
        self.held.forward(delta)
        self.manager.wake()

    def tried(self, name: QueueId) -> MessageView | None:
        """Wait until each was tried, and that is told; return what is left."""
        self.until(lambda: self._is_tried(name), f"{name} is not tried")
        return self.store.show(name)

    def gone(self, name: QueueId) -> None:
        """Wait until a message has left the store."""
        self.until(lambda: self.store.show(name) is None, f"{name} is still there")

    def of(self, name: QueueId) -> list[Event]:
        """Return what was told of a message."""
        return [e for e in self.journal.events if getattr(e, "queue_id", None) == name]

    def delivered(self, domain: str) -> int:
        """Return how many recipients of a domain were delivered so far."""
        told = self.journal.of(RecipientDelivered)
        return sum(each.recipient.endswith(f"@{domain}") for each in told)

    def _is_tried(self, name: QueueId) -> bool:
        view = self.store.show(name)
        told = self.of(name)
        if view is None:
            return any(isinstance(each, MessageDone) for each in told)
        if any(each.leased or each.reply is None for each in view.recipients):
            return False
        settled = [e for e in view.recipients if e.state is not State.READY]
        return len(told) >= len(settled)

    def stop(self) -> None:
        """Break off whatever is under way."""
        self.manager.stop(lambda: False)
        self.store.close()
