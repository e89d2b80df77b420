# SPDX-License-Identifier: Apache-2.0
"""A server gets only what it takes; and where that cannot be, nothing at all."""

from dataclasses import replace
from email import message_from_bytes

import pytest

from maildropd.mail.outcome import Disposition
from tests.fakes.mail_reader import seen
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

EIGHT = "Subject: Grüße\n\nGrüße an alle, die hier herumstehen\n".encode()
LARGE = EIGHT + EIGHT * 5000
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256\n" + EIGHT
LONG = b"Subject: x\nContent-Type: text/html\n\n" + b"<p>x" * 1000 + b"\n"


@pytest.mark.parametrize("content", [EIGHT, LARGE])
@pytest.mark.parametrize("extensions", [("SIZE 99999999",), ("PIPELINING", "SIZE")])
def test_a_server_without_8bitmime_gets_seven_bits(
    content: bytes, extensions: tuple[str, ...]
) -> None:
    with SmtpServer(extensions=extensions) as server:
        way = transport(server)
        [outcome] = way.attempt(delivery(content=content), alive)
        way.close()

        [taken] = server.delivered
    assert outcome.disposition is Disposition.DELIVERED
    assert taken.content.isascii()
    assert f"SIZE={len(taken.content)}".encode() in taken.mail
    assert b"BODY" not in taken.mail
    text = message_from_bytes(taken.content).get_payload(decode=True)
    assert text == content.partition(b"\n\n")[2].replace(b"\n", b"\r\n")


def test_a_server_with_8bitmime_gets_what_was_handed_over() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(content=EIGHT), alive)
        way.close()

        [taken] = server.delivered
    assert taken.content == EIGHT.replace(b"\n", b"\r\n")
    assert b"BODY=8BITMIME" in taken.mail


def test_signed_mail_fails_rather_than_arrive_with_a_broken_signature() -> None:
    """The server hears nothing of it, and serves the next as ever."""
    with SmtpServer(extensions=()) as server:
        way = transport(server)
        outcomes = way.attempt(delivery("a@b.c", "d@e.f", content=SIGNED), alive)
        [after] = way.attempt(delivery(number=2), alive)
        way.close()

        assert server.verbs().count("MAIL") == 1
        assert server.connections == 1
    assert [one.disposition for one in outcomes] == [Disposition.FAILED] * 2
    assert {(one.reply.code, one.reply.status) for one in outcomes} == {(554, "5.6.3")}
    assert "8BITMIME" in outcomes[0].reply.text
    assert "signed (dkim-signature)" in outcomes[0].reply.text
    assert after.disposition is Disposition.DELIVERED


def test_signed_mail_goes_unchanged_where_8_bits_are_taken() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(content=SIGNED), alive)
        way.close()

        assert server.delivered[0].content == SIGNED.replace(b"\n", b"\r\n")


def test_a_page_in_one_line_is_never_cut() -> None:
    """A server would cut it at 998 octets, or refuse the mail."""
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(content=LONG), alive)
        way.close()

        [taken] = server.delivered
    assert max(map(len, taken.content.splitlines())) <= 76
    assert seen(taken.content) == seen(LONG.replace(b"\n", b"\r\n"))


def test_what_fits_one_server_is_what_its_connection_offers() -> None:
    """The same mail over two servers: each says for itself what it takes."""
    for extensions, eight in (((), False), (("8BITMIME",), True)):
        with SmtpServer(extensions=extensions) as server:
            way = transport(server)
            way.attempt(delivery(content=EIGHT), alive)
            way.close()

            assert (not server.delivered[0].content.isascii()) is eight


def test_what_has_to_be_converted_is_not_announced_behind_another() -> None:
    """Its size would be said before it is known."""
    with SmtpServer(extensions=("PIPELINING", "SIZE 99999999")) as server:
        way = transport(server)
        later = delivery(content=EIGHT, number=2)
        way.attempt(replace(delivery(), following=later), alive)
        [outcome] = way.attempt(later, alive)
        way.close()

        [_, taken] = server.delivered
    assert outcome.disposition is Disposition.DELIVERED
    assert taken.content.isascii()
    assert f"SIZE={len(taken.content)}".encode() in taken.mail
