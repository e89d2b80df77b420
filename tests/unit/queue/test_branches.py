# SPDX-License-Identifier: Apache-2.0
"""Lanes that are made when a domain gets its first mail, and only so many."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import Envelope
from maildropd.mail.errors import RouteError
from maildropd.mail.events import MessageDone
from maildropd.mail.outcome import Outcome
from maildropd.mail.route_events import RouteFailed, RouteRestored
from maildropd.queue.branches import Branches
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Routing
from maildropd.queue.route_watch import RouteWatch
from maildropd.relay.base import Delivery
from maildropd.route.base import NextHop, Way
from maildropd.store.base import LeasedRecipient, State
from tests.fakes.transport import FakeRelay, accept
from tests.unit.queue.desk import HOP, Desk


class ByDomain:
    """A router that knows a next hop for every domain, and one relay."""

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        del envelope
        domain = recipient.forward_path.rpartition("@")[2]
        return (HOP,) if domain == "relay" else (of(domain),)


class Domains(Desk):
    """A desk with a relay, and lanes for domains."""

    def __init__(self, folder: Path, most: int = 3) -> None:
        self.most = most
        self.servers: dict[str, FakeRelay] = {}
        self.made: list[str] = []
        super().__init__(folder)

    def server(self, domain: str) -> FakeRelay:
        return self.servers.setdefault(domain, FakeRelay())

    def routing(self) -> Routing:
        first = super().routing()

        def branch(hop: NextHop) -> Lane:
            self.made.append(hop.destination)
            breaker = Breaker(self.clock)
            return Lane(
                LaneLimits(max_connections=1, idle_timeout=timedelta(seconds=30)),
                breaker,
                RouteWatch(hop.destination, breaker, self.journal),
                first.attempt,
                self.server(hop.destination).transport,
            )

        return Routing(
            router=ByDomain(),
            lanes=first.lanes,
            attempt=first.attempt,
            branch=branch,
            most=self.most,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Domains]:
    desk = Domains(tmp_path)
    yield desk
    for server in desk.servers.values():
        server.gate.set()
    desk.stop()


def of(domain: str) -> NextHop:
    return NextHop(way=Way.MX, relay="", destination=domain)


def refuse(_: Delivery) -> tuple[Outcome, ...]:
    raise RouteError("connection refused")


def test_each_domain_has_a_lane_of_its_own(desk: Domains) -> None:
    for domain in ("a", "b", "a", "relay"):
        desk.add(f"bob@{domain}")
    desk.start()

    desk.journal.wait_for(MessageDone, 4)

    assert len(desk.server("a").seen) == 2
    assert len(desk.server("b").seen) == 1
    assert len(desk.relay.seen) == 1


def test_mail_goes_to_domains_when_there_is_nothing_for_the_relay(
    desk: Domains,
) -> None:
    desk.start()
    desk.add("bob@a")
    desk.manager.wake()

    desk.journal.wait_for(MessageDone)


def test_a_dead_domain_holds_up_no_other(desk: Domains) -> None:
    """Promise 2; a mailing list always has a few of them."""
    desk.server("dead").script = refuse
    for number in range(150):
        desk.add(f"r{number}@dead")
    desk.add("bob@a")
    desk.start()

    desk.journal.wait_for(MessageDone)
    desk.journal.wait_for(RouteFailed)

    assert desk.delivered() == {"bob@a": 1}
    assert len(desk.server("dead").seen) <= 2


def test_a_domain_that_comes_back_gets_its_mail(desk: Domains) -> None:
    desk.server("dead").script = refuse
    desk.add("bob@dead")
    desk.add("eve@dead")
    desk.start()
    desk.journal.wait_for(RouteFailed)

    desk.server("dead").script = accept
    desk.go_until_done(2, timedelta(seconds=30))

    assert len(desk.journal.of(RouteRestored)) == 1
    assert len(set(desk.made)) == len(desk.made)


def test_only_so_many_domains_are_served_at_a_time(desk: Domains) -> None:
    for domain in "abcdef":
        desk.server(domain).gate.clear()
        desk.add(f"bob@{domain}")
    desk.start()
    for domain in "abc":
        assert desk.server(domain).arrived.acquire(timeout=10)
    desk.add("eve@relay")
    desk.manager.wake()
    desk.journal.wait_for(MessageDone)
    assert not any(desk.server(domain).seen for domain in "def")

    for domain in "abcdef":
        desk.server(domain).gate.set()
    desk.go_until_done(7, timedelta(seconds=10))


def test_mail_to_hundreds_of_domains_all_goes(tmp_path: Path) -> None:
    desk = Domains(tmp_path, most=20)
    try:
        for number in range(300):
            desk.add(f"bob@d{number}")
        desk.start()
        desk.go_until_done(300, timedelta(seconds=6))

        assert len(desk.made) == 300
    finally:
        desk.stop()


def test_what_is_known_of_a_broken_way_outlives_its_threads(desk: Domains) -> None:
    """Of many dead domains each was told again and again, and knocked at too soon."""
    dead = [f"dead{number}" for number in range(12)]
    for domain in dead:
        desk.server(domain).script = refuse
        desk.add(f"bob@{domain}")
    desk.start()
    for domain in dead:
        for _ in range(400):
            if len(desk.server(domain).seen) >= 3:
                break
            desk.go(timedelta(seconds=5))
            desk.server(domain).arrived.acquire(timeout=0.05)

    assert sorted(event.relay for event in desk.journal.of(RouteFailed)) == sorted(dead)
    assert sorted(desk.made) == sorted(dead)
    assert not desk.journal.of(MessageDone)


def test_what_is_at_rest_is_remembered_but_not_for_ever(tmp_path: Path) -> None:
    desk = Domains(tmp_path)
    routing = desk.routing()
    branches = Branches({}, desk.clock, routing.branch, 5)

    for number in range(3000):
        assert branches.of(of(f"d{number}")) is not None
        branches.rest()

    assert len(branches.all()) == 1000
    assert branches.known(of("d2999")) is not None
    assert branches.known(of("d0")) is None
    desk.stop()


def test_without_such_routes_there_are_no_such_lanes(tmp_path: Path) -> None:
    desk = Domains(tmp_path)
    branches = Branches({}, desk.clock)

    assert branches.wanted() == 0
    assert branches.of(of("d")) is None
    desk.stop()


def test_nothing_is_leased_for_domains_while_all_lanes_are_busy(
    desk: Domains,
) -> None:
    for domain in "abcd":
        desk.server(domain).gate.clear()
        desk.add(f"bob@{domain}")
    desk.start()
    for domain in "abc":
        assert desk.server(domain).arrived.acquire(timeout=10)

    assert desk.store.counts()[State.READY] == 4
