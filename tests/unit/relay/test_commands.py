# SPDX-License-Identifier: Apache-2.0
"""An address can be nothing but an address."""

from dataclasses import replace

import pytest

from maildropd.mail.envelope import DEFAULT_TERMS, Terms
from maildropd.relay import commands
from maildropd.relay.form.letter import letter
from tests.fakes.relay import delivery

EVERYTHING = {"size", "8bitmime", "smtputf8"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a@b\r\nRCPT TO:<c@d>",
        "a@b> SIZE=1",
        "<a@b",
        "a b@c",
        "a\0@b",
        "a\x7f@b",
        '"a\n"@b',
        '"a@b',
        '"a" b@c',
        "a\udcff@b",
    ],
)
def test_what_could_become_a_command_or_a_parameter_is_refused(address: str) -> None:
    reply = commands.unspeakable(address, EVERYTHING)

    assert reply is not None
    assert (reply.code, reply.status) == (553, "5.1.3")


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "postmaster",
        '"a b"@c',
        '"a>b"@c',
        '"a\\"b"@c',
        "a+b@[192.0.2.1]",
        "-f@b",
        "$(id)@b",
    ],
)
def test_strange_but_valid_addresses_are_said_as_they_are(address: str) -> None:
    assert commands.unspeakable(address, ()) is None
    assert (
        commands.rcpt(address, DEFAULT_TERMS, ()) == f"RCPT TO:<{address}>\r\n".encode()
    )


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    reply = commands.unspeakable("jürgen@example.net", {"8bitmime"})

    assert reply is not None
    assert reply.status == "5.6.7"
    assert commands.unspeakable("jürgen@example.net", EVERYTHING) is None


def test_a_sender_that_cannot_be_said_is_refused_as_a_sender() -> None:
    reply = commands.unspeakable_sender("a@b>", EVERYTHING)

    assert reply is not None
    assert reply.status == "5.1.7"
    assert commands.unspeakable_sender(None, ()) is None


@pytest.mark.parametrize(
    ("content", "sender", "offered", "line"),
    [
        (b"x\n", "a@b", (), b"MAIL FROM:<a@b>"),
        (b"x\n", None, (), b"MAIL FROM:<>"),
        (b"x\n", "a@b", ("size",), b"MAIL FROM:<a@b> SIZE=3"),
        (b"\xe4\n", "a@b", ("8bitmime",), b"MAIL FROM:<a@b> BODY=8BITMIME"),
        (b"\xe4\n", "a@b", (), b"MAIL FROM:<a@b>"),
        (b"x\n", "ä@b", ("smtputf8",), "MAIL FROM:<ä@b> SMTPUTF8".encode()),
    ],
)
def test_mail_says_what_is_offered_and_needed(
    content: bytes, sender: str | None, offered: tuple[str, ...], line: bytes
) -> None:
    message = letter(delivery(content=content, sender=sender))

    assert commands.mail(message, ["c@d"], offered) == line + b"\r\n"


def test_large_content_is_looked_at_for_eight_bit_octets_too() -> None:
    plain = letter(delivery(content=b"x" * 300_000))
    eight = letter(delivery(content=b"x" * 300_000 + b"\xe4"))

    assert plain.octets is eight.octets is None
    assert (plain.eight_bit, eight.eight_bit) == (False, True)


DSN = {"dsn": ""}
WISHES = Terms(notify="SUCCESS,DELAY", orcpt="rfc822;Bob+2Bx@example.org")


def test_the_wishes_of_the_sender_travel_on_as_he_said_them() -> None:
    """RFC 3461 5.2.1: values are relayed unchanged, xtext and all."""
    plain = delivery()
    envelope = replace(plain.envelope, ret="HDRS", envid="QQ+2B1")
    message = letter(replace(plain, envelope=envelope))

    assert commands.mail(message, ["c@d"], DSN) == (
        b"MAIL FROM:<alice@example.org> RET=HDRS ENVID=QQ+2B1\r\n"
    )
    assert commands.rcpt("bob@example.net", WISHES, DSN) == (
        b"RCPT TO:<bob@example.net> NOTIFY=SUCCESS,DELAY"
        b" ORCPT=rfc822;Bob+2Bx@example.org\r\n"
    )


def test_a_server_without_dsn_hears_of_no_wishes() -> None:
    """A parameter that was not offered ends the message with 555."""
    plain = delivery()
    envelope = replace(plain.envelope, ret="FULL", envid="x")
    message = letter(replace(plain, envelope=envelope))

    assert commands.mail(message, ["c@d"], ()) == b"MAIL FROM:<alice@example.org>\r\n"
    assert commands.rcpt("c@d", WISHES, ()) == b"RCPT TO:<c@d>\r\n"


def test_nothing_is_wished_in_the_name_of_the_sender() -> None:
    """RFC 3461 5.2.1: without a NOTIFY of his own there must be none."""
    assert commands.rcpt("c@d", DEFAULT_TERMS, DSN) == b"RCPT TO:<c@d>\r\n"
    assert commands.mail(letter(delivery()), ["c@d"], DSN) == (
        b"MAIL FROM:<alice@example.org>\r\n"
    )


@pytest.mark.parametrize("wish", ["NEVER X=1", "NEVER\r\nDATA", "a=b", "\u2028"])
def test_a_wish_that_could_become_a_parameter_is_not_said(wish: str) -> None:
    said = commands.rcpt("c@d", Terms(notify=wish, orcpt=wish), DSN)

    assert said == b"RCPT TO:<c@d>\r\n"


@pytest.mark.parametrize(
    ("sender", "asked", "offered", "line"),
    [
        ("l@x", "+=", ("xverp",), b"MAIL FROM:<l@x> XVERP=+="),
        ("l@x", "-=", ("xverp",), b"MAIL FROM:<l@x> XVERP=-="),
        ("l@x", "+=", (), b"MAIL FROM:<l@x>"),
        ("l@x", "", ("xverp",), b"MAIL FROM:<l@x>"),
        ("l@x", "= RET", ("xverp",), b"MAIL FROM:<l@x>"),
        (None, "+=", ("xverp",), b"MAIL FROM:<>"),
    ],
)
def test_mail_asks_for_verp_where_it_is_wanted_and_offered(
    sender: str | None, asked: str, offered: tuple[str, ...], line: bytes
) -> None:
    plain = delivery(sender=sender)
    message = letter(replace(plain, envelope=replace(plain.envelope, verp=asked)))

    assert commands.mail(message, ["c@d"], offered) == line + b"\r\n"
