# SPDX-License-Identifier: Apache-2.0
"""One attempt, from lease to settlement; whatever happens, the mail is kept.

An outcome is told only once it is on disk.  If the store refuses to record
it, the attempt stands still and asks again: going on would deliver mail
whose delivery nobody remembers.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import TypeVar

from maildropd.host.clock import Clock
from maildropd.mail.errors import (
    ContentGone,
    RouteError,
    StoreFull,
    StoreUnusable,
    TransientError,
)
from maildropd.mail.event import Event, Journal
from maildropd.mail.events import (
    ContentLost,
    MessageDone,
    RecipientDelivered,
)
from maildropd.mail.reply import Reply
from maildropd.queue.errand import Errand
from maildropd.queue.guard import guarded, our_bug
from maildropd.queue.reporter import Answer, Reporter
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge, Verdict, forgotten
from maildropd.queue.words import lease_lost
from maildropd.relay.base import Alive, Delivery, Transport
from maildropd.store.base import Lease, QueueStore, Settled, Settlement, State

T = TypeVar("T")

_PAUSE = timedelta(seconds=1)
_UNREADABLE = timedelta(seconds=30)
_CHANCE = timedelta(hours=1)
"""For so long a route is given the chance to work before old mail expires."""


class Attempt:
    """Carries out attempts for one next hop; shared by its threads."""

    def __init__(
        self,
        store: QueueStore,
        judge: Judge,
        reporter: Reporter,
        journal: Journal,
        clock: Clock,
    ) -> None:
        """Take what every attempt needs."""
        self._store = store
        self._judge = judge
        self._reporter = reporter
        self.journal = journal
        self._clock = clock
        # What is final, and how it is told; by the identity of the verdicts.
        self._unrecorded: dict[int, tuple[Sequence[Verdict], Answer]] = {}

    def try_once(
        self, errand: Errand, transport: Transport, route: RouteWatch, alive: Alive
    ) -> list[Verdict]:
        """Try to deliver; return what is to become of each recipient.

        ``RouteError`` passes through: the next hop could not be asked.
        """
        lease = errand.lease
        then = errand.following
        following = None if then is None else self._delivery(then)
        delivery = self._delivery(lease, following)
        try:
            outcomes = self._guarded(partial(transport.attempt, delivery, alive))
        except RouteError:
            raise  # what becomes of the mail depends on the other connections
        except ContentGone as error:
            return self._without_content(lease, error)
        except StoreUnusable as error:
            # Out of descriptors, say: that is our trouble, and it passes.
            now = self._clock.now()
            return self._judge.postpone(lease, now, error.reply, _UNREADABLE)
        except MemoryError:  # the transport has dropped its connection
            now, reply = self._clock.now(), Reply(451, "4.3.0", "out of memory")
            return self._judge.postpone(lease, now, reply, _UNREADABLE)
        if outcomes is None:
            outcomes = (our_bug(route.destination),) * len(lease.recipients)
        else:
            outcomes = route.weighed(lease.envelope.queue_id, outcomes)
        return self._judge.judge(lease, outcomes, self._clock.now())

    def _delivery(self, lease: Lease, following: Delivery | None = None) -> Delivery:
        return Delivery(
            envelope=lease.envelope,
            recipients=tuple(each.forward_path for each in lease.recipients),
            terms=tuple(each.terms for each in lease.recipients),
            content=self._content(lease),
            following=following,
        )

    def _content(self, lease: Lease) -> Callable[[], Iterator[bytes]]:
        octets = lease.octets
        if octets is not None:
            return lambda: iter((octets,))
        return partial(self._store.content, lease.envelope.queue_id)

    def give_back(self, lease: Lease, due: datetime | None = None) -> list[Verdict]:
        """Return verdicts that leave the recipients as they were, due now or then."""
        return self._judge.give_back(lease, due or lease.turn, None, "")

    def shed(
        self, lease: Lease, route: RouteWatch, reply: Reply | None = None
    ) -> list[Verdict]:
        """Give back what a broken route keeps waiting; what is too old expires.

        But not at once: a host that was off for a week finds all its mail too
        old, and a network that is not up yet, and none of it had its chance.
        """
        reply = reply or route.reply
        chance = min(lease.give_up - lease.envelope.arrived, _CHANCE)
        final = route.broken_for >= chance
        now, relay = self._clock.now(), route.destination
        return self._judge.give_back(lease, now, reply, relay, final=final)

    def record(self, verdicts: Sequence[Verdict]) -> Future[Settled]:
        """Have verdicts recorded; their events follow when they are durable.

        Who is to be told of them is told in the same change.
        """
        known = self._unrecorded.get(id(verdicts))
        answer = known[1] if known else self._answer(verdicts)
        if any(each.action or not each.settlement.state for each in answer.verdicts):
            self._unrecorded[id(verdicts)] = verdicts, answer
        settlements = [each.settlement for each in answer.verdicts]
        notices = [each.notice for each in answer.letters]
        future = self._store.settle(settlements, notices)
        # With the verdicts themselves: no others have their identity before.
        future.add_done_callback(partial(self._tell, verdicts, answer))
        return future

    def insist(
        self, verdicts: Sequence[Verdict], first: Future[Settled], alive: Alive
    ) -> None:
        """Wait until verdicts are recorded, however often the store refuses.

        Nothing ends this but success: the daemon's end gives up the thread,
        and the recipients are then tried again by the next one.
        """
        future = first
        waiting = threading.Event()
        while True:
            alive(timedelta(minutes=1))
            try:
                future.result()
            except TransientError as error:  # the store has said what is wrong
                if isinstance(error, StoreFull):
                    # Nothing is told before there is room; who failed is kept.
                    self._unrecorded[id(verdicts)] = verdicts, Answer(verdicts=verdicts)
                waiting.wait(_PAUSE.total_seconds())
                future = self.record(verdicts)
            else:
                # Whoever tells of it may still be on his way.
                self._unrecorded.pop(id(verdicts), None)
                return

    def own_up(self) -> None:
        """Say what was delivered and is not recorded: it will be sent again."""
        while True:
            try:
                _, (verdicts, _) = self._unrecorded.popitem()
            except KeyError:  # there is none left; the last was recorded just now
                return
            for verdict in verdicts:
                if isinstance(verdict.event, RecipientDelivered):
                    self.journal.emit(forgotten(verdict.event))

    def _without_content(self, lease: Lease, error: ContentGone) -> list[Verdict]:
        queue_id = lease.envelope.queue_id
        lost = ContentLost(queue_id=queue_id, reason=str(error))
        held = [
            Settlement(
                queue_id=queue_id,
                recipient=each,
                state=State.HOLD,
                reply=error.reply,
                attempted=False,
            )
            for each in lease.recipients
        ]
        events: list[Event | None] = [lost] + [None] * (len(held) - 1)
        pairs = zip(held, events, strict=True)
        return [Verdict(settlement=each, event=event) for each, event in pairs]

    def _answer(self, verdicts: Sequence[Verdict]) -> Answer:
        """Make the reports; what cannot be made leaves the verdicts as they are."""
        if not any(each.action for each in verdicts):
            return Answer(verdicts=verdicts)
        try:
            answer = self._guarded(partial(self._reporter.answer, verdicts))
        except (TransientError, MemoryError):  # it stays to be seen, as failed
            answer = None
        return answer or Answer(verdicts=verdicts)

    def _guarded(self, work: Callable[[], T]) -> T | None:
        return guarded(work, self.journal, "one attempt")

    def _tell(
        self, verdicts: Sequence[Verdict], answer: Answer, future: Future[Settled]
    ) -> None:
        if future.exception() is not None:
            return
        self._unrecorded.pop(id(verdicts), None)
        settled = future.result()
        lost = set(map(id, settled.lost))
        for verdict in answer.verdicts:
            if id(verdict.settlement) in lost:
                self.journal.emit(lease_lost(verdict.settlement))
            elif verdict.event is not None:
                self.journal.emit(verdict.event)
        self._tell_of_reports(answer, settled)
        for queue_id in settled.done:
            self.journal.emit(MessageDone(queue_id=queue_id))

    def _tell_of_reports(self, answer: Answer, settled: Settled) -> None:
        stored = set(settled.noticed)
        letters = [each for each in answer.letters if each.queue_id in stored]
        for event in chain(*(each.events for each in letters), answer.events):
            self.journal.emit(event)
        if letters:
            self._reporter.posted()
