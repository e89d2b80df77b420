# SPDX-License-Identifier: Apache-2.0
"""Each recipient is in exactly one transaction, with the right return address."""

from dataclasses import replace

import pytest

from maildropd.mail.envelope import Terms
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.relay.base import Delivery
from maildropd.relay.parcels import in_full, parcels
from tests.fakes.relay import delivery


def to(number: int, *, verp: str = "", sender: str | None = "l@x.org") -> Delivery:
    names = [f"u{each}@y.net" for each in range(number)]
    plain = delivery(*names, sender=sender)
    terms = tuple(Terms(orcpt=f"rfc822;{name}") for name in names)
    return replace(plain, terms=terms, envelope=replace(plain.envelope, verp=verp))


@pytest.mark.parametrize("number", [1, 9, 10, 11, 25])
@pytest.mark.parametrize("verp", ["", "+="])
@pytest.mark.parametrize("offered", [(), ("xverp",)])
def test_all_are_named_once_in_order_and_never_too_many(
    number: int, verp: str, offered: tuple[str, ...]
) -> None:
    whole = to(number, verp=verp)

    parts = list(parcels(whole, offered, 10))

    assert all(len(part.recipients) <= 10 for part in parts)
    assert [name for part in parts for name in part.recipients] == [*whole.recipients]
    assert [terms for part in parts for terms in part.terms] == [*whole.terms]


def test_what_fits_goes_as_it_is() -> None:
    """The usual mail costs no copy."""
    whole = to(10)

    [part] = parcels(whole, (), 10)

    assert part is whole


def test_without_xverp_each_recipient_has_a_return_address() -> None:
    parts = list(parcels(to(2, verp="-="), (), 10))

    senders = [part.envelope.reverse_path for part in parts]
    assert senders == ["l-u0=y.net@x.org", "l-u1=y.net@x.org"]
    assert not any(part.envelope.verp for part in parts)


def test_with_xverp_the_server_makes_them() -> None:
    [part] = parcels(to(2, verp="-="), ("xverp",), 10)

    assert part.envelope.reverse_path == "l@x.org"
    assert part.envelope.verp == "-="


def test_a_null_sender_has_no_other_addresses() -> None:
    [part] = parcels(to(2, verp="+=", sender=None), (), 10)

    assert part.envelope.reverse_path is None


def test_parcels_for_one_server_can_be_parted_again_for_the_next() -> None:
    """The connection broke, and the next one no longer offers XVERP."""
    [first] = parcels(to(2, verp="+="), ("xverp",), 10)

    again = [each for part in parcels(first, (), 1) for each in parcels(part, (), 1)]

    assert [part.envelope.reverse_path for part in again] == [
        "l+u0=y.net@x.org",
        "l+u1=y.net@x.org",
    ]


class Server:
    """Takes so many recipients at a time, and each one once."""

    def __init__(self, room: int, *, breaks_after: int = 1000) -> None:
        self.room = room
        self.breaks_after = breaks_after
        self.trouble: Exception = RouteError("closed for today")
        self.took: list[tuple[str, ...]] = []

    def carry(self, some: Delivery) -> list[Outcome]:
        if len(self.took) >= self.breaks_after:
            raise self.trouble
        self.took.append(some.recipients[: self.room])
        full = Outcome.of(Reply(452, "4.5.3", "too many"), "mx", Sign.CROWDED)
        places = range(len(some.recipients))
        return [TAKEN if place < self.room else full for place in places]


TAKEN = Outcome.of(Reply(250, "2.0.0", "taken"), "mx")


@pytest.mark.parametrize("number", [1, 10, 11, 20, 25])
def test_whom_there_was_no_room_for_gets_it_right_behind(number: int) -> None:
    """RFC 5321 4.5.3.1.10; not in five minutes, and then ten more in ten."""
    server = Server(10)

    outcomes = in_full(to(number), server.carry)

    assert outcomes == [TAKEN] * number
    assert [name for some in server.took for name in some] == [*to(number).recipients]
    assert len(server.took) == -(-number // 10)


def test_a_server_without_any_room_is_asked_once() -> None:
    server = Server(0)

    outcomes = in_full(to(3), server.carry)

    assert len(server.took) == 1
    assert [each.reply.code for each in outcomes] == [452] * 3


def test_a_server_that_fills_up_is_not_asked_again_and_again() -> None:
    server = Server(2)

    def carry(some: Delivery) -> list[Outcome]:
        outcomes = server.carry(some)
        server.room = 0
        return outcomes

    outcomes = in_full(to(50), carry)

    assert len(server.took) == 2
    assert [each.reply.code for each in outcomes] == [250] * 2 + [452] * 48


@pytest.mark.parametrize("trouble", [RouteError("closed for today"), MemoryError()])
def test_a_route_that_breaks_in_between_doubles_nothing(trouble: Exception) -> None:
    server = Server(10, breaks_after=2)
    server.trouble = trouble

    outcomes = in_full(to(25), server.carry)

    assert [each.reply.code for each in outcomes] == [250] * 20 + [452] * 5


def test_a_route_that_breaks_at_once_is_the_routes_trouble() -> None:
    with pytest.raises(RouteError):
        in_full(to(2), Server(10, breaks_after=0).carry)


def test_refusals_of_another_kind_are_left_alone() -> None:
    full = Outcome.of(Reply(452, "4.2.2", "mailbox full"), "mx")
    calls: list[Delivery] = []

    def carry(some: Delivery) -> list[Outcome]:
        calls.append(some)
        return [TAKEN, full]

    assert in_full(to(2), carry) == [TAKEN, full]
    assert len(calls) == 1
