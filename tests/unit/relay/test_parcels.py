# SPDX-License-Identifier: Apache-2.0
"""Each recipient is in exactly one transaction, with the right return address."""

from dataclasses import replace

import pytest

from maildropd.mail.envelope import Terms
from maildropd.relay.base import Delivery
from maildropd.relay.parcels import parcels
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
