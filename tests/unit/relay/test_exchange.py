# SPDX-License-Identifier: Apache-2.0
"""Which servers take the mail of a domain, for every kind of answer."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from maildropd.host.dns import Answer, NameTrouble
from maildropd.mail.errors import RouteError
from maildropd.relay.exchange import Exchanges, NoMailThere
from tests.fakes.clock import FakeClock
from tests.fakes.relay import alive

TTL = timedelta(minutes=5)


class Names:
    """Says what it is told, and counts the questions."""

    limit = timedelta(seconds=5)

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    def mail_exchange(self, domain: str) -> Answer:
        self.asked.append(domain)
        if domain not in self.answers:
            raise NameTrouble("SERVFAIL")
        return self.answers[domain]


def mx(*exchanges: tuple[int, str], ttl: timedelta = TTL) -> Answer:
    return Answer(exists=True, exchanges=exchanges, ttl=ttl)


def hosts(answer: Answer, domain: str = "example.net") -> list[str]:
    return exchanges(Names({domain: answer})).of(domain, alive)


def exchanges(names: Names, clock: FakeClock | None = None) -> Exchanges:
    own = ("me.example.org",)
    return Exchanges(names, own, list.reverse, clock or FakeClock())


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (mx((20, "b."), (10, "a.")), ["a", "b"]),
        (mx((10, "A.example."), (10, "B.example.")), ["b.example", "a.example"]),
        (mx((10, "a."), (20, "a."), (30, "b.")), ["a", "b"]),
        (mx((10, "."), (20, "b.")), ["b"]),
        (Answer(exists=True, has_address=True), ["example.net"]),
        # RFC 5321 5.1: we are in the list
        (mx((10, "a."), (20, "me.example.org."), (30, "b.")), ["a"]),
        (mx((10, "a."), (20, "ME.Example.ORG."), (20, "c.")), ["a"]),
    ],
)
def test_the_best_comes_first_and_equal_ones_in_any_order(
    answer: Answer, found: list[str]
) -> None:
    assert hosts(answer) == found


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(exists=False), "5.1.2"),
        (Answer(exists=True), "5.1.2"),
        (mx((0, ".")), "5.1.10"),
        (mx((10, "me.example.org.")), "5.4.6"),
        (mx((10, "me.example.org."), (10, "a."), (20, "b.")), "5.4.6"),
    ],
    ids=["NXDOMAIN", "no address", "null MX", "we alone", "we among the best"],
)
def test_a_domain_that_takes_no_mail_fails_its_recipients(
    answer: Answer, status: str
) -> None:
    with pytest.raises(NoMailThere) as caught:
        hosts(answer)

    assert caught.value.reply.permanent
    assert caught.value.reply.status == status
    assert "example.net" in caught.value.reply.text


def test_mail_for_our_own_name_does_not_come_back() -> None:
    with pytest.raises(NoMailThere) as caught:
        hosts(Answer(exists=True, has_address=True), "me.example.org")

    assert caught.value.reply.status == "5.4.6"


@pytest.mark.parametrize(
    ("literal", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[ipv6:2001:db8::1]", "2001:db8::1"),
    ],
)
def test_an_address_needs_no_name_server(literal: str, address: str) -> None:
    """RFC 5321 4.1.3."""
    names = Names({})

    assert exchanges(names).of(literal, alive) == [address]
    assert names.asked == []


@pytest.mark.parametrize("literal", ["[]", "[example.net]", "[192.0.2.1"])
def test_what_is_in_brackets_and_no_address_fails(literal: str) -> None:
    with pytest.raises(NoMailThere):
        exchanges(Names({})).of(literal, alive)


def test_trouble_of_the_name_server_is_trouble_of_the_way() -> None:
    """It says nothing about any mail: that waits."""
    with pytest.raises(RouteError, match="cannot be looked up") as caught:
        exchanges(Names({})).of("example.net", alive)

    assert caught.value.reply.status == "4.4.3"


def test_an_answer_holds_for_as_long_as_it_says() -> None:
    clock, names = FakeClock(), Names({"example.net": mx((10, "a."))})
    asked = exchanges(names, clock)
    asked.of("example.net", alive)

    clock.forward(TTL - timedelta(seconds=1))
    asked.of("example.net", alive)
    assert len(names.asked) == 1

    names.answers["example.net"] = mx((10, "b."))
    clock.forward(timedelta(seconds=1))
    assert asked.of("example.net", alive) == ["b"]


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(days=365)])
def test_no_answer_is_asked_for_each_mail_nor_kept_for_ever(ttl: timedelta) -> None:
    clock, names = FakeClock(), Names({"example.net": mx((10, "a."), ttl=ttl)})
    asked = exchanges(names, clock)

    for _ in range(10):
        asked.of("example.net", alive)
    assert len(names.asked) == 1
    clock.forward(timedelta(hours=1))
    asked.of("example.net", alive)
    assert len(names.asked) == 2


def test_trouble_is_not_kept() -> None:
    names = Names({})
    asked = exchanges(names)
    with pytest.raises(RouteError):
        asked.of("example.net", alive)

    names.answers["example.net"] = mx((10, "a."))
    assert asked.of("example.net", alive) == ["a"]


def test_the_answers_of_a_million_domains_are_not_all_kept() -> None:
    domains = [f"d{number}.example" for number in range(6000)]
    names = Names({each: mx((10, "a.")) for each in domains})
    asked = exchanges(names)

    for each in (*domains, domains[-1], domains[0]):
        asked.of(each, alive)

    assert len(names.asked) == 6001


def test_many_servers_are_not_all_tried() -> None:
    many = mx(*((number, f"mx{number}.") for number in range(100)))

    assert hosts(many) == [f"mx{number}" for number in range(20)]
