# SPDX-License-Identifier: Apache-2.0
"""Where CHUNKING is offered content is counted, and no dot means anything."""

from dataclasses import replace

import pytest

from maildropd.mail.outcome import Disposition
from maildropd.relay.form.octets import undotted, wire_form
from tests.fakes import actions
from tests.fakes.actions import reply
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import EXTENSIONS, SmtpServer

OFFERS = (*EXTENSIONS, "CHUNKING")
DOTS = b"Subject: dots\n\n.\n..one\n.two\n\n..\n"
WIRE = DOTS.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "content", [DOTS, b"", b".", b"..\r\n.\r\n", b"x" * 300_000 + b"\n.\n" * 9]
)
def test_the_octets_of_a_chunk_are_those_that_were_stored(content: bytes) -> None:
    with SmtpServer(extensions=OFFERS) as server:
        way = transport(server)
        [outcome] = way.attempt(delivery(content=content), alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        plain = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if plain and not plain.endswith(b"\n"):
            plain += b"\r\n"
        assert [each.content for each in server.delivered] == [plain]
        assert "DATA" not in server.verbs()


@pytest.mark.parametrize("content", [DOTS, b"", b".\n", b"..", b"a\n.\n\n..b"])
def test_dots_that_were_doubled_are_taken_back(content: bytes) -> None:
    wire = wire_form(content)

    assert wire_form(undotted(wire)) == wire
    assert b"\n..." not in undotted(wire) or b"\n..." in content


def test_chunks_follow_each_other_behind_their_envelopes() -> None:
    with SmtpServer(extensions=OFFERS) as server:
        way = transport(server)
        first, second = delivery(content=DOTS), delivery(content=DOTS, number=2)
        outcomes = [
            *way.attempt(replace(first, following=second), alive),
            *way.attempt(second, alive),
        ]
        way.close()

        assert [each.disposition for each in outcomes] == [Disposition.DELIVERED] * 2
        assert [each.content for each in server.delivered] == [WIRE, WIRE]
        assert server.connections == 1


def test_nothing_is_sent_where_nobody_is_accepted() -> None:
    with SmtpServer(extensions=OFFERS) as server:
        server.on("rcpt", reply("550 5.1.1 no"), times=1)
        way = transport(server)
        [refused] = way.attempt(delivery(content=DOTS), alive)
        [taken] = way.attempt(delivery(content=DOTS, number=2), alive)
        way.close()

        assert refused.disposition is Disposition.FAILED
        assert taken.disposition is Disposition.DELIVERED
        assert server.verbs().count("BDAT") == 1


def test_a_cut_after_the_chunk_is_in_doubt() -> None:
    with SmtpServer(extensions=OFFERS) as server:
        server.on("dot", actions.drop(), times=1)
        way = transport(server)
        [outcome] = way.attempt(delivery(content=DOTS), alive)
        way.close()

        assert outcome.in_doubt


def test_a_server_that_does_it_wrong_is_spoken_to_as_of_old() -> None:
    with SmtpServer(extensions=OFFERS) as server:
        way = transport(server, chunking=False)
        way.attempt(delivery(content=DOTS), alive)
        way.close()

        assert "BDAT" not in server.verbs()
        assert [each.content for each in server.delivered] == [WIRE]
