# SPDX-License-Identifier: Apache-2.0
"""Several ways out: each recipient goes its own, whatever becomes of the others."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import DEFAULT_TERMS, Envelope, Terms
from maildropd.mail.errors import RouteError
from maildropd.mail.events import (
    MessageDone,
    RecipientDeferred,
    RecipientDelivered,
)
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteFailed
from maildropd.queue.attempt import Attempt
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Routing
from maildropd.queue.route_watch import RouteWatch
from maildropd.relay.base import Delivery
from maildropd.relay.local.nowhere import NowhereTransport
from maildropd.route.base import NextHop, Way
from maildropd.store.base import LeasedRecipient, State
from tests.fakes.transport import FakeRelay, Script, accept
from tests.unit.queue.desk import HOP, Desk

COMMAND = NextHop(way=Way.COMMAND, relay="", destination="command")
NOWHERE = NextHop(way=Way.NOWHERE, relay="", destination="none")
RUN = Terms(run="|/bin/true")
LOST = Terms(run="lost")
BOTH = (DEFAULT_TERMS, RUN)
LATER = Reply(451, "4.2.0", "later")


class ByTerms:
    """A router that goes by what is to be run."""

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        del envelope
        return ({DEFAULT_TERMS: HOP, RUN: COMMAND, LOST: NOWHERE}[recipient.terms],)


class Ways(Desk):
    """A desk with a relay, a command, and what has no way."""

    def routing(self) -> Routing:
        self.command = FakeRelay()
        first = super().routing()
        limits = LaneLimits(max_connections=1, idle_timeout=timedelta(seconds=30))
        never = LaneLimits(max_connections=1, idle_timeout=timedelta(0), depth=0)
        lanes = {
            **first.lanes,
            COMMAND: self.lane(limits, first.attempt, COMMAND),
            NOWHERE: self.lane(never, first.attempt, NOWHERE),
        }
        return Routing(router=ByTerms(), lanes=lanes, attempt=first.attempt)

    def lane(self, limits: LaneLimits, attempt: Attempt, hop: NextHop) -> Lane:
        breaker = Breaker(self.clock)
        watch = RouteWatch(hop.destination, breaker, self.journal)
        if hop is NOWHERE:
            return Lane(limits, breaker, watch, attempt, lambda: NowhereTransport(()))
        return Lane(limits, breaker, watch, attempt, self.command.transport)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Ways]:
    desk = Ways(tmp_path)
    yield desk
    for relay in (desk.relay, desk.command):
        relay.gate.set()
    desk.stop()


def refuse(_: Delivery) -> tuple[Outcome, ...]:
    raise RouteError("connection refused")


def seen(relay: FakeRelay) -> list[tuple[str, ...]]:
    return [recipients for _, recipients, _ in relay.seen]


def once(answer: Reply, then: Script) -> Script:
    """Give an answer to the first, and go on by another script."""
    answers = iter([answer])

    def script(delivery: Delivery) -> tuple[Outcome, ...]:
        for one in answers:
            return (Outcome.of(one, "command"),)
        return then(delivery)

    return script


def test_the_recipients_of_a_message_go_their_own_ways(desk: Ways) -> None:
    desk.add("far@x", "run@x", terms=BOTH)
    desk.start()

    desk.journal.wait_for(MessageDone)

    assert seen(desk.relay) == [("far@x",)]
    assert seen(desk.command) == [("run@x",)]
    assert desk.delivered() == {"far@x": 1, "run@x": 1}


def test_who_falls_due_while_the_others_are_on_the_wire_goes_his_own_way(
    desk: Ways,
) -> None:
    """He was joined to them: a command's recipient would go to the relay."""
    desk.relay.gate.clear()
    desk.command.script = once(LATER, desk.command.script)
    desk.add("far@x", "run@x", terms=BOTH)
    desk.start()
    desk.journal.wait_for(RecipientDeferred)

    desk.go(timedelta(minutes=5))
    desk.journal.wait_for(RecipientDelivered)
    desk.relay.gate.set()
    desk.journal.wait_for(MessageDone)

    assert seen(desk.command) == [("run@x",), ("run@x",)]
    assert seen(desk.relay) == [("far@x",)]


def test_a_host_that_sleeps_doubles_nothing_on_any_way(desk: Ways) -> None:
    """All leases have ended; those on the wire are still ours, each in its lane."""
    desk.relay.gate.clear()
    desk.command.gate.clear()
    desk.add("far@x", "run@x", terms=BOTH)
    desk.start()
    assert desk.relay.arrived.acquire(timeout=10)
    assert desk.command.arrived.acquire(timeout=10)

    desk.clock.suspend(timedelta(days=365))
    desk.add("new@x")
    desk.manager.wake()
    assert desk.relay.arrived.acquire(timeout=10)
    desk.relay.gate.set()
    desk.command.gate.set()
    desk.journal.wait_for(MessageDone, 2)

    assert desk.delivered() == {"far@x": 1, "run@x": 1, "new@x": 1}
    assert len(desk.relay.seen) + len(desk.command.seen) == 3


def test_a_broken_relay_holds_up_no_other_way(desk: Ways) -> None:
    desk.relay.script = refuse
    for number in range(150):
        desk.add(f"far{number}@x")
    desk.start()
    desk.journal.wait_for(RouteFailed)

    desk.add("run@x", terms=(RUN,))
    desk.manager.wake()
    desk.journal.wait_for(MessageDone)

    assert desk.delivered() == {"run@x": 1}
    assert desk.store.counts()[State.READY] == 150


def test_a_broken_relay_is_knocked_at_again_on_time(desk: Ways) -> None:
    """Its mail, which the others have leased, was put off beyond the next knock."""
    desk.relay.script = refuse
    desk.add("far@x")
    desk.start()
    desk.journal.wait_for(RouteFailed)
    desk.manager.wake()
    desk.add("run@x", terms=(RUN,))  # and its lane has asked again when it is done
    desk.manager.wake()
    desk.journal.wait_for(MessageDone)

    desk.relay.script = accept
    desk.go(timedelta(seconds=1))
    desk.journal.wait_for(MessageDone, 2)

    assert desk.delivered() == {"far@x": 1, "run@x": 1}


def test_what_has_no_way_waits_and_says_why(desk: Ways) -> None:
    desk.add("far@x", "lost@x", terms=(DEFAULT_TERMS, LOST))
    desk.start()

    (event,) = desk.journal.wait_for(RecipientDeferred)

    assert (event.recipient, event.relay) == ("lost@x", "none")
    assert event.retry_in == timedelta(minutes=5)
    assert desk.store.counts()[State.DEFERRED] == 1


def test_what_has_no_way_makes_nobody_lease_more(desk: Ways) -> None:
    """A lane that asks while the only relay is broken has all mail leased."""
    lane = desk.routing().lanes[NOWHERE]

    assert not lane.asks
    assert lane.wanted() == 0
    lane.breaker.failed(LATER)
    lane.breaker.retry_now()
    assert lane.wanted() == 0
