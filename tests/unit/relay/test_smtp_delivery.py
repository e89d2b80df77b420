# SPDX-License-Identifier: Apache-2.0
"""Mail arrives: byte for byte, to whom it was meant, over one connection."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from maildropd.mail.envelope import Terms
from maildropd.mail.errors import StoreUnusable
from maildropd.mail.outcome import Disposition, Outcome
from tests.fakes.actions import reply, reply_and_close, usual
from tests.fakes.relay import CONTENT, alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

WAYS = [("PIPELINING", "SIZE 99999999"), ("SIZE 99999999",), ()]
LARGE = b"Subject: large\n\n" + b".begins with a dot\nx\n" * 30_000


def dispositions(outcomes: tuple[Outcome, ...]) -> list[Disposition]:
    return [outcome.disposition for outcome in outcomes]


@pytest.mark.parametrize("extensions", WAYS)
def test_a_message_arrives_with_its_envelope(extensions: tuple[str, ...]) -> None:
    with SmtpServer(extensions=extensions) as server:
        way = transport(server)
        outcomes = way.attempt(delivery("bob@example.net", "eve@example.net"), alive)
        way.close()

        [taken] = server.delivered
        assert taken.mail.startswith(b"MAIL FROM:<alice@example.org>")
        assert taken.recipients == ("bob@example.net", "eve@example.net")
        assert taken.content == CONTENT.replace(b"\n", b"\r\n")
    assert dispositions(outcomes) == [Disposition.DELIVERED] * 2
    assert str(outcomes[0].reply) == "250 taken"
    assert outcomes[0].relay == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("content", [LARGE, LARGE[:-1], b"", b".", b"a\r\n.\r\nb"])
def test_content_arrives_unchanged_but_for_its_line_ends(content: bytes) -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(content=content), alive)
        way.close()

        [taken] = server.delivered
    whole = content.replace(b"\r\n", b"\n")
    if whole and not whole.endswith(b"\n"):
        whole += b"\n"
    assert taken.content == whole.replace(b"\n", b"\r\n")


def test_a_null_reverse_path_stays_null() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(sender=None), alive)
        way.close()

        assert server.delivered[0].mail.startswith(b"MAIL FROM:<> ")


def test_we_say_the_name_we_were_given() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(delivery(), alive)
        way.close()

        assert server.heard[0].split() == [b"ehlo", b"client.example"]


def test_a_connection_is_kept_and_needs_no_rset() -> None:
    with SmtpServer() as server:
        way = transport(server)
        for number in range(5):
            way.attempt(delivery(number=number), alive)
        way.close()
        server.wait(lambda server: server.closed == 1)  # goodbye is not waited for

        assert server.connections == 1
        assert len(server.delivered) == 5
        assert "RSET" not in server.verbs()
        assert server.verbs()[-1] == "QUIT"


def test_a_refused_transaction_is_cleared_away_before_the_next() -> None:
    with SmtpServer() as server:
        server.on("rcpt", reply("550 5.1.1 unknown"), times=1)
        way = transport(server)
        way.attempt(delivery(), alive)
        way.attempt(delivery(number=2), alive)
        way.close()

        assert server.connections == 1
        assert server.verbs().count("RSET") == 1
        assert len(server.delivered) == 1


def test_a_server_from_before_esmtp_is_greeted_with_helo() -> None:
    with SmtpServer() as server:
        server.on("ehlo", reply("502 never heard of it"))
        way = transport(server)
        [outcome] = way.attempt(delivery(), alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        assert server.delivered[0].mail == b"MAIL FROM:<alice@example.org>\r\n"


@pytest.mark.parametrize("extensions", WAYS)
def test_two_hundred_and_fifty_recipients_travel_by_hundreds(
    extensions: tuple[str, ...],
) -> None:
    """A server need not take more than a hundred at once (RFC 5321 4.5.3.1.8)."""
    names = [f"user{number}@example.net" for number in range(250)]
    with SmtpServer(extensions=extensions) as server:
        way = transport(server)
        outcomes = way.attempt(delivery(*names), alive)
        way.close()

        assert [len(taken.recipients) for taken in server.delivered] == [100, 100, 50]
    assert dispositions(outcomes) == [Disposition.DELIVERED] * 250


def test_an_address_beyond_ascii_travels_where_smtputf8_is_offered() -> None:
    with SmtpServer(extensions=("SMTPUTF8", "8BITMIME")) as server:
        way = transport(server)
        [outcome] = way.attempt(delivery("jürgen@example.net"), alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        assert server.delivered[0].recipients == ("jürgen@example.net",)
        assert b"SMTPUTF8" in server.delivered[0].mail


def test_an_address_beyond_ascii_fails_alone_where_it_is_not_offered() -> None:
    with SmtpServer() as server:
        way = transport(server)
        outcomes = way.attempt(delivery("jürgen@example.net", "bob@example.net"), alive)
        way.close()

        assert dispositions(outcomes) == [Disposition.FAILED, Disposition.DELIVERED]
        assert outcomes[0].reply.status == "5.6.7"
        assert server.delivered[0].recipients == ("bob@example.net",)


def test_a_message_nobody_can_get_is_not_even_begun() -> None:
    with SmtpServer() as server:
        way = transport(server)
        [outcome] = way.attempt(delivery("a@b>\r\nDATA"), alive)
        way.close()

        assert outcome.disposition is Disposition.FAILED
        assert outcome.reply.status == "5.1.3"
        assert "MAIL" not in server.verbs()


@pytest.mark.parametrize("extensions", WAYS)
def test_a_route_that_breaks_after_the_first_hundred_defers_the_others(
    extensions: tuple[str, ...],
) -> None:
    """What was delivered is not forgotten: it would be delivered again."""
    names = [f"user{number}@example.net" for number in range(250)]
    server = SmtpServer(extensions=extensions)
    server.on("mail", usual(), times=1)
    server.on("mail", reply_and_close("421 4.3.2 closing"))
    server.on("banner", usual(), times=1)
    server.on("banner", reply("554 5.3.2 closed for today"))
    with server:
        outcomes = transport(server).attempt(delivery(*names), alive)

    deferred = [Disposition.DEFERRED] * 150
    assert dispositions(outcomes) == [Disposition.DELIVERED] * 100 + deferred
    assert outcomes[-1].reply.code == 451
    assert "closed for today" in outcomes[-1].reply.text


@pytest.mark.parametrize("error", [StoreUnusable("too many open files"), MemoryError()])
def test_content_that_cannot_be_read_again_doubles_nothing_for_the_first_hundred(
    error: Exception,
) -> None:
    """The first hundred had it; the store fails before the second."""
    sent = delivery(
        *(f"r{n}@example.net" for n in range(250)), content=b"x\n" * 200_000
    )
    reads = count(1)

    def content() -> Iterator[bytes]:
        if next(reads) > 2:  # the first is to look for octets beyond ASCII
            raise error
        yield from sent.content()

    with SmtpServer() as server:
        way = transport(server)
        outcomes = way.attempt(replace(sent, content=content), alive)
        way.close()

    assert [each.disposition for each in outcomes[:100]] == [
        Disposition.DELIVERED
    ] * 100
    assert [each.disposition for each in outcomes[100:]] == [Disposition.DEFERRED] * 150
    assert len(server.delivered) == 1


def test_each_recipient_keeps_his_own_terms_in_whatever_hundred_he_travels() -> None:
    names = [f"user{number}@example.net" for number in range(150)]
    terms = tuple(Terms(orcpt=f"rfc822;u{number}@x") for number in range(150))
    with SmtpServer(extensions=("DSN", "PIPELINING")) as server:
        way = transport(server)
        way.attempt(replace(delivery(*names), terms=terms), alive)
        way.close()

        assert b"RCPT TO:<user1@example.net> ORCPT=rfc822;u1@x\r\n" in server.heard
        assert b"RCPT TO:<user149@example.net> ORCPT=rfc822;u149@x\r\n" in server.heard
