# SPDX-License-Identifier: Apache-2.0
"""Two relays for the same mail: the second takes it while the first does not work."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import Envelope
from maildropd.mail.errors import NotTrusted, RouteError, RouteMisconfigured
from maildropd.mail.events import MessageDone, RecipientExpired, RecipientFailed
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteAlarm, RouteFailed, RouteRestored
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Routing
from maildropd.queue.route_watch import RouteWatch
from maildropd.relay.base import Delivery
from maildropd.route.base import NextHop
from maildropd.store.base import LeasedRecipient, State
from tests.fakes.transport import FakeRelay, Script, accept
from tests.unit.queue.desk import HOP, Desk

SECOND = NextHop(relay="second", destination="second:25")
WEEK = timedelta(days=7)


class InOrder:
    """A router that prefers one."""

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        del envelope, recipient
        return (HOP, SECOND)


class Pair(Desk):
    """A desk with two relays."""

    def routing(self) -> Routing:
        self.second = FakeRelay()
        first = super().routing()
        breaker = Breaker(self.clock)
        lane = Lane(
            LaneLimits(max_connections=2, idle_timeout=timedelta(seconds=30)),
            breaker,
            RouteWatch(SECOND.destination, breaker, self.journal),
            first.attempt,
            self.second.transport,
        )
        lanes = {**first.lanes, SECOND: lane}
        return Routing(router=InOrder(), lanes=lanes, attempt=first.attempt)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Pair]:
    desk = Pair(tmp_path)
    yield desk
    for relay in (desk.relay, desk.second):
        relay.gate.set()
    desk.stop()


def raising(error: Exception) -> Script:
    def script(_: Delivery) -> tuple[Outcome, ...]:
        raise error

    return script


REFUSED = raising(RouteError("connection refused"))


def test_the_preferred_one_gets_all_mail_while_it_works(desk: Pair) -> None:
    for number in range(20):
        desk.add(f"r{number}@x")
    desk.start()

    desk.journal.wait_for(MessageDone, 20)

    assert len(desk.relay.seen) == 20
    assert not desk.second.seen


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RouteError("connection refused"), RouteFailed),
        (RouteMisconfigured("535 wrong password"), RouteAlarm),
        (NotTrusted("certificate has expired"), RouteAlarm),
    ],
    ids=["unreachable", "AUTH refused", "certificate wrong"],
)
def test_all_mail_goes_at_once_to_the_next_when_one_breaks(
    desk: Pair, error: RouteError, told: type[RouteFailed | RouteAlarm]
) -> None:
    """Peers let it wait for the next run of the queue; one alarm, and nothing fails."""
    desk.relay.script = raising(error)
    for number in range(50):
        desk.add(f"r{number}@x")
    desk.start()

    desk.journal.wait_for(MessageDone, 50)

    assert len(desk.second.seen) == 50
    assert len(desk.relay.seen) <= 2
    [event] = desk.journal.of(told)
    assert event.relay == HOP.destination
    assert not desk.journal.of(RecipientFailed)


def test_a_relay_that_wants_nothing_of_ours_loses_it_to_the_next(desk: Pair) -> None:
    """So it sounds to everybody: it is our configuration, and nothing bounces."""
    no = Reply(554, "5.7.1", "relay access denied")

    def unwelcome(delivery: Delivery) -> tuple[Outcome, ...]:
        return (Outcome.of(no, "fake:25", Sign.UNWELCOME),) * len(delivery.recipients)

    desk.relay.script = unwelcome
    for number in range(20):
        desk.add(f"r{number}@x")
    desk.start()
    desk.journal.wait_for(RouteAlarm)

    desk.go_until_done(20, timedelta(minutes=5))

    assert len(desk.journal.of(RouteAlarm)) == 1
    assert not desk.journal.of(RecipientFailed)


def test_one_probe_goes_to_the_preferred_one_and_then_all(desk: Pair) -> None:
    desk.relay.script = REFUSED
    desk.add("first@x")
    desk.start()
    desk.journal.wait_for(MessageDone)
    desk.relay.script = accept
    desk.relay.gate.clear()
    tried = len(desk.relay.seen)

    desk.clock.forward(timedelta(seconds=1))
    for number in range(20):
        desk.add(f"r{number}@x")
    desk.manager.wake()
    desk.journal.wait_for(MessageDone, 20)  # with the first
    desk.until(lambda: len(desk.relay.seen) == tried + 1)
    assert len(desk.second.seen) == 20

    desk.relay.gate.set()
    desk.journal.wait_for(RouteRestored)
    desk.journal.wait_for(MessageDone, 21)
    for number in range(5):
        desk.add(f"s{number}@x")
    desk.manager.wake()
    desk.journal.wait_for(MessageDone, 26)
    assert len(desk.second.seen) == 20


def test_mail_waits_while_neither_works_and_goes_by_the_first_that_does(
    desk: Pair,
) -> None:
    desk.relay.script = desk.second.script = REFUSED
    for number in range(10):
        desk.add(f"r{number}@x")
    desk.start()
    desk.journal.wait_for(RouteFailed, 2)
    assert desk.store.counts()[State.READY] == 10

    desk.second.script = accept
    desk.go_until_done(10, timedelta(seconds=30))

    assert not desk.journal.of(RecipientFailed)


def test_old_mail_does_not_expire_by_a_probe_while_another_way_works(
    desk: Pair,
) -> None:
    """The host was off for a week, and one relay has been down for hours."""
    desk.relay.script = REFUSED
    desk.add("new@x")
    desk.start()
    desk.journal.wait_for(MessageDone)
    old = desk.add("old@x")

    desk.go(WEEK)
    desk.journal.wait_for(MessageDone, 2)

    assert desk.second.seen[-1][0] == old
    assert not desk.journal.of(RecipientExpired)


def test_old_mail_expires_when_no_way_has_worked_for_an_hour(desk: Pair) -> None:
    desk.relay.script = desk.second.script = REFUSED
    desk.add("old@x")
    desk.start()
    desk.journal.wait_for(RouteFailed, 2)

    desk.clock.forward(WEEK)
    desk.manager.wake()

    desk.journal.wait_for(RecipientExpired)
