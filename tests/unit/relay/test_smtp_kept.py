# SPDX-License-Identifier: Apache-2.0
"""A connection that is kept: used again, given up, and broken off in good order."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.mail.errors import RouteError, StoreUnusable
from maildropd.mail.outcome import Disposition
from maildropd.relay.smtp import SmtpTransport
from tests.fakes import actions
from tests.fakes.actions import Action, reply, reply_and_close, then, usual
from tests.fakes.relay import LONG, alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

DELIVERED = Disposition.DELIVERED


def deliver(way: SmtpTransport, *numbers: int) -> None:
    for number in numbers:
        [outcome] = way.attempt(delivery(number=number), alive)
        assert outcome.disposition is DELIVERED


def test_so_many_messages_go_over_one_connection_and_no_more() -> None:
    with SmtpServer() as server:
        way = transport(server, max_messages=2)
        deliver(way, 1, 2, 3, 4, 5)
        way.close()

        server.wait(lambda s: s.verbs().count("QUIT") == 3)
        assert server.connections == 3


def test_between_two_messages_there_is_the_interval_asked_for() -> None:
    with SmtpServer() as server:
        way = transport(server, wait_interval=timedelta(seconds=0.2))
        limits: list[timedelta] = []
        begun = time.monotonic()
        way.attempt(delivery(number=1), limits.append)
        way.attempt(delivery(number=2), limits.append)
        way.close()

        assert time.monotonic() - begun >= 0.2
        assert any(timedelta(0) < each <= timedelta(seconds=0.2) for each in limits)


@pytest.mark.parametrize(
    "action",
    [actions.drop(), actions.reset(), reply_and_close("421 4.4.2 idle too long")],
    ids=["closed", "reset", "421"],
)
def test_a_connection_that_ended_while_idle_is_replaced_without_a_word(
    action: Action,
) -> None:
    with SmtpServer() as server:
        server.on("dot", then(usual(), action))
        way = transport(server)
        deliver(way, 1, 2, 3)
        way.close()

        assert server.connections == 3


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    "action",
    [
        actions.drop(),
        actions.reset(),
        reply_and_close("421 4.4.2 enough"),
    ],
    ids=["closes", "resets", "421"],
)
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_a_server_that_closes_after_some_messages_costs_nothing(
    stage: str, action: Action, extensions: tuple[str, ...]
) -> None:
    """The message in whose middle it closes goes over a new connection at once."""
    with SmtpServer(extensions=extensions) as server:
        server.on(stage, usual(), times=2)
        server.on(stage, action, times=1)
        way = transport(server)
        deliver(way, 1, 2, 3, 4)
        way.close()

        assert len(server.delivered) == 4
        assert server.connections == 2


def test_after_421_a_connection_is_not_used_again_even_if_it_stays() -> None:
    with SmtpServer() as server:
        server.on("dot", reply("421 4.3.0 closing soon"), times=1)
        way = transport(server)
        [outcome] = way.attempt(delivery(number=1), alive)
        deliver(way, 2)
        way.close()

        assert outcome.disposition is Disposition.DEFERRED
        assert server.connections == 2


def test_a_second_break_is_not_tried_again_at_once() -> None:
    with SmtpServer() as server:
        way = transport(server)
        deliver(way, 1)
        server.on("mail", actions.drop())
        [outcome] = way.attempt(delivery(number=2), alive)

        assert outcome.disposition is Disposition.DEFERRED
        assert server.connections == 2


def test_doubt_is_never_tried_again_at_once() -> None:
    with SmtpServer() as server:
        way = transport(server)
        deliver(way, 1)
        server.on("dot", then(actions.keep(), actions.drop()))
        [outcome] = way.attempt(delivery(number=2), alive)

        assert outcome.in_doubt
        assert len(server.delivered) == 2


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_content_that_cannot_be_read_ends_the_connection_not_the_message(
    size: int,
) -> None:
    """What went out of it has no final dot, and so is no message."""
    whole = delivery(content=b"x" * size)
    reads: list[int] = []

    def content() -> Iterator[bytes]:
        reads.append(size)
        yield b"x" * 10
        if size == 10 or len(reads) == 2:  # what is large is read twice
            raise StoreUnusable("content is gone")

    with SmtpServer() as server:
        way = transport(server)
        with pytest.raises(StoreUnusable):
            way.attempt(replace(whole, content=content), alive)
        deliver(way, 2)
        way.close()

        assert len(server.ledger) == 1


def test_nobody_listening_is_the_routes_trouble() -> None:
    server = SmtpServer()
    with server:
        way = transport(server)
    with pytest.raises(RouteError, match="Connection refused") as caught:
        way.attempt(delivery(), alive)

    assert caught.value.reply.status == "4.4.1"


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_name_that_is_not_found_is_the_routes_trouble(host: str) -> None:
    with SmtpServer() as server:
        way = transport(server, host=host)
        with pytest.raises(RouteError, match="not resolved") as caught:
            way.attempt(delivery(), alive)

    assert caught.value.reply.status == "4.4.3"


def test_the_time_it_takes_to_find_the_server_is_announced() -> None:
    with SmtpServer() as server:
        limits: list[timedelta] = []
        way = transport(server)
        way.attempt(delivery(), limits.append)
        way.close()

        assert limits[0] > LONG


@pytest.mark.parametrize("action", [usual(), actions.drop(), actions.hang()])
def test_goodbye_is_said_once_and_its_answer_is_not_waited_for(action: Action) -> None:
    """A server that never answers QUIT held up each message of a batch of one."""
    with SmtpServer() as server:
        server.on("quit", action)
        way = transport(server, max_messages=1)
        begun = time.monotonic()
        deliver(way, 1, 2, 3)
        way.close()
        way.close()

        assert time.monotonic() - begun < 5
        server.wait(lambda s: s.verbs().count("QUIT") == 3)
        assert server.connections == 3


@pytest.mark.parametrize("words", ["502 5.5.1 no RSET here", "451 4.3.0 not now"])
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_a_server_that_refuses_to_begin_anew_is_asked_over_a_new_connection(
    words: str, extensions: tuple[str, ...]
) -> None:
    """The MAIL after it got "nested MAIL", which failed a good message for good."""
    with SmtpServer(extensions=extensions) as server:
        server.on("rcpt", reply("550 5.1.1 no bob"), times=1)
        server.on("rset", reply(words))
        way = transport(server)
        [refused] = way.attempt(delivery(number=1), alive)
        deliver(way, 2)
        way.close()

        assert refused.disposition is Disposition.FAILED
        assert server.connections == 2
