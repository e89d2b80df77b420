# SPDX-License-Identifier: Apache-2.0
"""All servers of a domain in one attempt, before scripted ones."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.host.clock import SystemClock
from maildropd.host.dns import Answer
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Disposition
from maildropd.relay.base import Transport
from maildropd.relay.exchange import Exchanges
from maildropd.relay.mx import MxTransport
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from tests.fakes import actions
from tests.fakes.actions import Action, reply
from tests.fakes.clock import FakeClock
from tests.fakes.relay import LONG, SOON, alive, delivery, relay
from tests.fakes.smtp_server import SmtpServer

DELIVERED, DEFERRED, FAILED = Disposition
TWO = Answer(exists=True, exchanges=((10, "first."), (20, "second.")))


class Names:
    """Has one answer."""

    limit = timedelta(seconds=5)

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def mail_exchange(self, domain: str) -> Answer:
        del domain
        return self.answer


class Domain:
    """Two servers of one domain, and a way to them."""

    def __init__(self, first: SmtpServer, second: SmtpServer) -> None:
        self.servers = {"first": first, "second": second}
        self.clock = FakeClock()
        self.connected: list[str] = []
        self.names = Names(TWO)
        self.patience = LONG  # with the greeting of the first

    def transport(self) -> MxTransport:
        exchanges = Exchanges(self.names, (), list.sort, self.clock)
        return MxTransport("example.net", exchanges, self._connect, self.clock)

    def _connect(self, host: str) -> Transport:
        self.connected.append(host)
        patience = self.patience if host == "first" else LONG
        config = relay(self.servers[host], greeting_timeout=patience)
        who = Identity(config=replace(config, name="mx"), hostname="client.example")
        return SmtpTransport(who, SystemClock())


@pytest.fixture
def domain() -> Iterator[Domain]:
    with ExitStack() as stack:
        first, second = SmtpServer(), SmtpServer()
        yield Domain(stack.enter_context(first), stack.enter_context(second))


def test_the_best_server_takes_the_mail_and_keeps_the_connection(
    domain: Domain,
) -> None:
    way = domain.transport()
    outcomes = [way.attempt(delivery(number=n), alive) for n in range(3)]
    way.close()

    assert {each.disposition for [each] in outcomes} == {DELIVERED}
    assert outcomes[0][0].relay == f"127.0.0.1:{domain.servers['first'].port}"
    assert domain.servers["first"].connections == 1
    assert domain.connected == ["first"]


@pytest.mark.parametrize(
    ("stage", "action"),
    [
        ("connect", actions.reset()),
        ("banner", reply("421 4.3.2 busy")),
        ("banner", reply("450 4.3.2 later")),
        ("banner", reply("554 5.7.1 no mail here")),
        ("banner", None),
        ("ehlo", reply("421 4.3.2 busy")),
        ("ehlo", actions.drop()),
        ("mail", reply("421 4.3.2 too many connections")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_cannot_be_asked_is_followed_by_the_next_at_once(
    domain: Domain, stage: str, action: Action | None
) -> None:
    """RFC 5321 5.1; peers waited for the next run of the queue."""
    if action is None:  # it says nothing
        action, domain.patience = actions.hang(), SOON
    domain.servers["first"].on(stage, action)
    way = domain.transport()
    [outcome] = way.attempt(delivery(), alive)
    way.close()

    assert outcome.disposition is DELIVERED
    assert len(domain.servers["second"].delivered) == 1


@pytest.mark.parametrize(
    ("answer", "disposition"),
    [("450 4.2.0 greylisted", DEFERRED), ("550 5.1.1 no bob", FAILED)],
)
def test_what_a_server_answers_about_the_mail_counts(
    domain: Domain, answer: str, disposition: Disposition
) -> None:
    domain.servers["first"].on("rcpt", reply(answer))
    way = domain.transport()
    [outcome] = way.attempt(delivery(), alive)
    way.close()

    assert outcome.disposition is disposition
    assert domain.connected == ["first"]


def test_it_is_the_ways_trouble_when_no_server_can_be_asked(domain: Domain) -> None:
    for server in domain.servers.values():
        server.on("banner", reply("421 4.3.2 busy"))
    way = domain.transport()

    with pytest.raises(RouteError, match="busy"):
        way.attempt(delivery(), alive)

    assert domain.connected == ["first", "second"]


def test_the_better_server_is_asked_again_after_a_while(domain: Domain) -> None:
    domain.servers["first"].on("banner", reply("421 4.3.2 busy"), times=1)
    way = domain.transport()
    for minutes in (0, 4, 2):
        domain.clock.forward(timedelta(minutes=minutes))
        way.attempt(delivery(number=minutes), alive)
    way.close()

    assert domain.connected == ["first", "second", "first"]


def test_a_domain_that_takes_no_mail_fails_all_its_recipients(domain: Domain) -> None:
    domain.names.answer = Answer(exists=True, exchanges=((0, "."),))
    two = domain.transport().attempt(delivery("a@example.net", "b@example.net"), alive)

    assert [(each.disposition, each.reply.status) for each in two] == [
        (FAILED, "5.1.10")
    ] * 2
    assert two[0].relay == "example.net"
    assert domain.connected == []


def test_a_stop_tries_no_further_server(domain: Domain) -> None:
    first = domain.servers["first"]
    first.on("banner", actions.hang())
    way = domain.transport()
    caught: list[RouteError] = []

    def attempt() -> None:
        try:
            way.attempt(delivery(), alive)
        except RouteError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    first.wait(lambda server: server.connections == 1)
    way.abort()
    thread.join(10)

    assert caught
    assert domain.connected == ["first"]
    with pytest.raises(RouteError, match="stopped by us"):
        way.attempt(delivery(), alive)


def test_ten_minutes_are_enough_for_one_attempt(domain: Domain) -> None:
    """Else a message is on its way for longer than its lease lasts."""
    way = domain.transport()

    def slow(limit: timedelta) -> None:
        if "first" in domain.connected:
            domain.clock.forward(timedelta(minutes=11))
        alive(limit)

    domain.servers["first"].on("banner", reply("421 4.3.2 busy"))
    with pytest.raises(RouteError, match="busy"):
        way.attempt(delivery(), slow)

    assert domain.connected == ["first"]
