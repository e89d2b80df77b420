# SPDX-License-Identifier: Apache-2.0
"""An address that comes back tells whom it is about."""

from datetime import UTC, datetime

import pytest

from maildropd.mail.envelope import Envelope, QueueId, Submitter
from maildropd.mail.verp import (
    DELIMITERS,
    Origin,
    decode,
    encode,
    is_delimiters,
    sender_for,
)

LIST = "bounces@lists.example.org"


@pytest.mark.parametrize(
    ("sender", "recipient", "delimiters", "address"),
    [
        (LIST, "u@example.net", "+=", "bounces+u=example.net@lists.example.org"),
        (LIST, "u@example.net", "-=", "bounces-u=example.net@lists.example.org"),
        (LIST, "u+tag@x.net", "+=", "bounces+u+tag=x.net@lists.example.org"),
        (LIST, "a=b@x.net", "+=", "bounces+a=b=x.net@lists.example.org"),
        (LIST, '"a b"@x.net', "+=", '"bounces+a b=x.net"@lists.example.org'),
        (LIST, '"a@b"@x.net', "+=", '"bounces+a@b=x.net"@lists.example.org'),
        (LIST, '"a\\"b"@x.net', "+=", '"bounces+a\\"b=x.net"@lists.example.org'),
        ('"my list"@x.org', "u@y.net", "+=", '"my list+u=y.net"@x.org'),
        (LIST, "jürgen@müller.de", "+=", "bounces+jürgen=müller.de@lists.example.org"),
        (LIST, "u@[192.0.2.1]", "+=", '"bounces+u=[192.0.2.1]"@lists.example.org'),
    ],
)
def test_an_expanded_address_is_postfixs_and_is_read_back(
    sender: str, recipient: str, delimiters: str, address: str
) -> None:
    assert encode(sender, recipient, delimiters) == address
    assert decode(address, delimiters) == Origin(sender, recipient)
    assert decode(address, delimiters, sender) == Origin(sender, recipient)


def test_a_list_whose_name_holds_the_delimiter_is_known_by_its_address() -> None:
    """Nothing is escaped: without the list's own address it is guessed."""
    address = encode("news+eu@x.org", "u@y.net")

    assert decode(address) == Origin("news@x.org", "eu+u@y.net")
    assert decode(address, sender="news+eu@x.org") == Origin("news+eu@x.org", "u@y.net")


@pytest.mark.parametrize(
    "address",
    [
        LIST,
        "bounces+u@lists.example.org",
        "bounces+=x.net@lists.example.org",
        "bounces+u=@lists.example.org",
        "+u=x.net@lists.example.org",
        "u=x.net@lists.example.org",
        "bounces+u=x.net",
        "bounces+u\n=x.net@lists.example.org",
        "",
        "@",
    ],
)
def test_what_was_not_expanded_is_not_read(address: str) -> None:
    assert decode(address) is None


def test_what_came_back_to_another_list_is_not_this_lists() -> None:
    address = encode(LIST, "u@y.net")

    assert decode(address, sender="bounces@elsewhere.example") is None
    assert decode(address, sender="bounce@lists.example.org") is None
    assert (
        decode(address, sender=LIST.upper().replace("BOUNCES", "bounces")) is not None
    )


def test_a_recipient_of_this_host_alone_is_not_expanded() -> None:
    """Without a domain there is nothing that the list could find him by."""
    assert encode(LIST, "root") == LIST


def test_what_would_be_no_path_any_more_goes_from_the_list_itself() -> None:
    """The mail arrives, and its bounce does not say whom it is about."""
    long = f"{'u' * 64}@{'d' * 60}.{'d' * 60}.{'d' * 60}.example"

    assert encode(LIST, long) == LIST


@pytest.mark.parametrize("text", ["+=", "-=", "==", "-+", "++"])
def test_two_of_three_signs_are_delimiters(text: str) -> None:
    assert is_delimiters(text)


@pytest.mark.parametrize("text", ["", "+", "+=-", "+a", "+\n", "*=", "+= "])
def test_nothing_else_is(text: str) -> None:
    assert not is_delimiters(text)


@pytest.mark.parametrize(
    ("sender", "asked", "returned_to"),
    [
        (LIST, DELIMITERS, "bounces+u=y.net@lists.example.org"),
        (LIST, "", LIST),
        (None, DELIMITERS, None),
    ],
)
def test_a_bounce_goes_to_the_recipients_own_address_if_that_was_asked_for(
    sender: str | None, asked: str, returned_to: str | None
) -> None:
    envelope = Envelope(
        queue_id=QueueId("0" * 12),
        reverse_path=sender,
        arrived=datetime(2026, 1, 1, tzinfo=UTC),
        size=1,
        submitter=Submitter(name="smtp"),
        verp=asked,
    )

    assert sender_for(envelope, "u@y.net") == returned_to
