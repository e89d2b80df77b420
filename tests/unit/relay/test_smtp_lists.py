# SPDX-License-Identifier: Apache-2.0
"""A mail to many: split as the server likes it, with the right return addresses."""

from dataclasses import replace

import pytest

from maildropd.mail.outcome import Disposition
from maildropd.relay.base import Delivery
from tests.fakes.actions import Peer, reply, reply_and_close
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

DELIVERED = Disposition.DELIVERED
WAYS = [("PIPELINING",), ()]


class Room:
    """Accepts so many recipients in each transaction, as servers do."""

    def __init__(self, server: SmtpServer, number: int, refusal: str) -> None:
        self.number = number
        self.seen = 0
        self.refusal = refusal.encode() + b"\r\n"
        server.on("mail", self.begin)
        server.on("rcpt", self.count)

    def begin(self, peer: Peer) -> None:
        self.seen = 0
        peer.usual()

    def count(self, peer: Peer) -> None:
        self.seen += 1
        if self.seen > self.number:
            peer.send(self.refusal)
        else:
            peer.usual()


def to_list(number: int, verp: str = "") -> Delivery:
    names = [f"u{each}@example.net" for each in range(number)]
    plain = delivery(*names, sender="bounces@lists.example.org")
    return replace(plain, envelope=replace(plain.envelope, verp=verp))


@pytest.mark.parametrize("extensions", WAYS)
@pytest.mark.parametrize(
    "refusal", ["452 4.5.3 too many", "452 too many", "552 too many recipients"]
)
def test_a_server_that_takes_ten_at_a_time_gets_all_of_them_in_one_attempt(
    refusal: str, extensions: tuple[str, ...]
) -> None:
    """The rest of a list waited for five minutes, then ten, then twenty."""
    with SmtpServer(extensions=extensions) as server:
        Room(server, 10, refusal)
        way = transport(server)
        outcomes = way.attempt(to_list(25), alive)
        way.close()

        sizes = [len(taken.recipients) for taken in server.delivered]
        named = [name for taken in server.delivered for name in taken.recipients]
        assert server.connections == 1
    assert sizes == [10, 10, 5]
    assert named == [f"u{each}@example.net" for each in range(25)]
    assert [each.disposition for each in outcomes] == [DELIVERED] * 25


def test_a_full_mailbox_is_not_asked_again_at_once() -> None:
    with SmtpServer() as server:
        server.on("rcpt", reply("452 4.2.2 mailbox full"), matching="u1@")
        way = transport(server)
        outcomes = way.attempt(to_list(3), alive)
        way.close()

        assert server.verbs().count("MAIL") == 1
    assert outcomes[1].disposition is Disposition.DEFERRED


def test_the_next_message_waits_for_those_who_had_no_room() -> None:
    """Its envelope would stand where theirs belongs."""
    with SmtpServer() as server:
        Room(server, 2, "452 4.5.3 too many")
        way = transport(server)
        later = replace(to_list(1), envelope=delivery(number=2).envelope)
        outcomes = way.attempt(replace(to_list(5), following=later), alive)
        outcomes += way.attempt(later, alive)
        way.close()

        assert [len(taken.recipients) for taken in server.delivered] == [2, 2, 1, 1]
        assert server.connections == 1
    assert [each.disposition for each in outcomes] == [DELIVERED] * 6


def test_an_administrator_says_how_many_go_at_a_time() -> None:
    with SmtpServer() as server:
        way = transport(server, max_recipients=10)
        way.attempt(to_list(25), alive)
        way.close()

        sizes = [len(taken.recipients) for taken in server.delivered]
    assert sizes == [10, 10, 5]


@pytest.mark.parametrize("extensions", WAYS)
def test_without_xverp_each_mail_has_a_return_address_of_its_own(
    extensions: tuple[str, ...],
) -> None:
    with SmtpServer(extensions=extensions) as server:
        way = transport(server)
        outcomes = way.attempt(to_list(3, "+="), alive)
        way.close()

        said = [(taken.mail.strip(), taken.recipients) for taken in server.delivered]
        assert server.connections == 1
    assert said == [
        (
            f"MAIL FROM:<bounces+u{each}=example.net@lists.example.org>".encode(),
            (f"u{each}@example.net",),
        )
        for each in range(3)
    ]
    assert [each.disposition for each in outcomes] == [DELIVERED] * 3


def test_a_server_with_xverp_makes_the_return_addresses() -> None:
    with SmtpServer(extensions=("XVERP", "PIPELINING")) as server:
        way = transport(server)
        way.attempt(to_list(3, "-="), alive)
        way.close()

        [taken] = server.delivered
    assert taken.mail == b"MAIL FROM:<bounces@lists.example.org> XVERP=-=\r\n"
    assert len(taken.recipients) == 3


def test_a_refused_recipient_of_a_list_is_refused_alone() -> None:
    with SmtpServer() as server:
        server.on("rcpt", reply("550 5.1.1 unknown"), matching="u1@")
        way = transport(server)
        outcomes = way.attempt(to_list(3, "+="), alive)
        way.close()

    assert [each.disposition for each in outcomes] == [
        DELIVERED,
        Disposition.FAILED,
        DELIVERED,
    ]


def test_a_server_without_xverp_behind_one_with_it_gets_the_addresses_made() -> None:
    """Two servers share a name; the bounces of the second went to the list's owner."""
    asked = replace(to_list(2, "+="), content=delivery().content)
    with SmtpServer() as server:
        server.on("ehlo", reply("250-fake.example", "250 XVERP"), times=1)
        way = transport(server)
        way.attempt(delivery(number=9), alive)
        server.on("mail", reply_and_close("421 4.3.2 bye"), times=1)
        outcomes = way.attempt(asked, alive)
        way.close()

        assert [each.disposition for each in outcomes] == [DELIVERED] * 2
        assert server.connections == 2
        paths = [taken.mail.split(b"<")[1].split(b">")[0] for taken in server.delivered]
        assert len(set(paths)) == 3
        assert b"XVERP" not in b"".join(taken.mail for taken in server.delivered)
