# SPDX-License-Identifier: Apache-2.0
"""A manager with all it needs: a real store, a relay that does as it is told."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import (
    Envelope,
    QueueId,
    Submission,
    Submitter,
    Terms,
    queue_id,
)
from maildropd.mail.events import MessageDone, RecipientDelivered
from maildropd.queue.attempt import Attempt
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Manager, Routing
from maildropd.queue.reporter import Reporter
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge
from maildropd.route.base import NextHop
from maildropd.store.base import LeasedRecipient, Stored
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fakes.reporting import press
from tests.fakes.transport import FakeRelay

HOP = NextHop(relay="smarthost", destination="fake:25")


class OneHop:
    """A router with one answer."""

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        del envelope, recipient
        return (HOP,)


class Desk:
    """A manager with all it needs, and hands to work it."""

    def __init__(self, folder: Path, connections: int = 2, together: int = 0) -> None:
        self.folder = folder
        self.together = together
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.heartbeats = Heartbeats(self.clock)
        self.relay = FakeRelay()
        self.store = SqliteStore(
            folder, "test", self.journal, self.clock, self.heartbeats
        )
        self.press = press(self.store, self.clock, posted=self.woken)
        self.connections = connections
        self.breaker = Breaker(self.clock)
        self.manager = Manager(
            self.store, self.routing(), self.journal, self.clock, self.heartbeats
        )
        self._number = 0
        self.started = False

    def routing(self) -> Routing:
        backoff = Backoff(first=timedelta(minutes=5), slowest=timedelta(hours=4))
        judge = Judge(backoff, jitter=lambda: 0.0)
        attempt = Attempt(
            self.store,
            judge,
            Reporter(self.press),
            self.journal,
            self.clock,
        )
        lane = Lane(
            LaneLimits(
                max_connections=self.connections,
                idle_timeout=timedelta(seconds=30),
                max_recipients=self.together,
            ),
            self.breaker,
            RouteWatch(HOP.destination, self.breaker, self.journal),
            attempt,
            self.relay.transport,
        )
        return Routing(router=OneHop(), lanes={HOP: lane}, attempt=attempt)

    def add(
        self,
        *recipients: str,
        content: bytes = b"Subject: x\n\nx\n",
        terms: tuple[Terms, ...] = (),
        sender: str | None = None,
        ret: str = "",
    ) -> QueueId:
        """Add a message; without a sender, what fails stays to be seen."""
        added = self.begin_to_add(
            *recipients, content=content, terms=terms, sender=sender, ret=ret
        )
        return added.result().queue_id

    def begin_to_add(
        self,
        *recipients: str,
        content: bytes = b"Subject: x\n\nx\n",
        terms: tuple[Terms, ...] = (),
        sender: str | None = None,
        ret: str = "",
    ) -> Future[Stored]:
        """Add a message, and wait for nothing."""
        self._number += 1
        at = self.clock.now() + timedelta(microseconds=self._number)
        name = queue_id(at, self._number)
        submission = Submission(
            reverse_path=sender,
            recipients=recipients or ("r@example.net",),
            submitter=Submitter(name="test"),
            content=[content],
            terms=terms,
            ret=ret,
        )
        now = self.clock.now()
        return self.store.add(submission, name, (now, now + timedelta(days=5)))

    def start(self) -> None:
        self.started = True
        self.manager.start()

    def go(self, delta: timedelta) -> None:
        """Let time pass, and have the queue notice."""
        self.clock.forward(delta)
        self.manager.wake()

    def go_until_done(self, count: int, step: timedelta) -> None:
        """Let time pass, step by step, until so many messages are done."""
        for _ in range(200):
            if len(self.journal.of(MessageDone)) >= count:
                break
            self.go(step)
            with suppress(AssertionError):
                self.journal.wait_for(MessageDone, count, seconds=0.05)
        self.journal.wait_for(MessageDone, count)

    def woken(self) -> None:
        """A report has been stored."""
        self.manager.wake()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; look now and then."""
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)

    def stop(self) -> None:
        if self.started:
            self.started = False
            self.manager.stop(lambda: False)
        self.store.close()

    def delivered(self) -> Counter[str]:
        return Counter(e.recipient for e in self.journal.of(RecipientDelivered))
