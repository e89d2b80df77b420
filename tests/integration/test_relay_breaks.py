# SPDX-License-Identifier: Apache-2.0
"""A server that stalls, garbles or vanishes delays its own mail, and loses none.

tests/faults/server_table.py has what each break at each stage comes to; here
is who is blamed for it.
"""

import select
import time
from typing import Any

import pytest

from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.relay.wire import Said, Wire
from tests.fakes import actions
from tests.fakes.actions import Action, Peer, reply, then
from tests.fakes.relay import SOON, alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

WAYS = [("PIPELINING",), ()]
BREAKS: dict[str, Action] = {
    "closes": actions.drop(),
    "resets": actions.reset(),
    "hangs": actions.hang(),
    "drips": actions.drip(b"250 2.0.0 octet by octet\r\n", 0.1),
    "says a line of 10 MB": actions.long_line(250, 10_000_000),
    "says 101 lines": actions.many_lines(250, 101),
    "says no code": actions.raw(b"hello there\r\n"),
    "says yes and no": actions.raw(b"250-ok\r\n550 no\r\n"),
    "says 350": reply("350 go on"),
}
LIMITS: dict[str, Any] = {"command_timeout": SOON, "data_timeout": SOON}
DELIVERED, DEFERRED, FAILED = Disposition


class Patience:
    """Lets a limit run once the server hangs, and not while it is only slow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._hanging: set[object] = set()  # clients, by their addresses
        getreply = Wire.getreply

        def later(wire: Wire) -> Said:
            until = time.monotonic() + 30
            while not wire.unread and not self._has_come_to_it(wire):
                assert time.monotonic() < until
            return getreply(wire)

        monkeypatch.setattr(Wire, "getreply", later)

    def mark(self, peer: Peer) -> None:
        """Stand before the action of a server that hangs."""
        peer.flush()
        self._hanging.add(peer.sock.getpeername())

    def _has_come_to_it(self, wire: Wire) -> bool:
        sock = wire.sock
        if sock is None or sock.getsockname() in self._hanging:
            return True
        return bool(select.select([sock], [], [], 0.02)[0])


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    return Patience(monkeypatch)


@pytest.fixture(params=WAYS, ids=["pipelined", "step by step"])
def server(request: pytest.FixtureRequest) -> SmtpServer:
    return SmtpServer(extensions=request.param)


def attempt(server: SmtpServer, *recipients: str, **limits: Any) -> tuple[Outcome, ...]:
    way = transport(server, **limits)
    try:
        return way.attempt(delivery(*recipients), alive)
    finally:
        way.close()


@pytest.mark.parametrize(
    ("action", "status", "text"),
    [
        ("closes", "4.4.2", "connection closed by the server (at MAIL)"),
        ("says a line of 10 MB", "4.5.0", "reply line without end (at MAIL)"),
        ("says 101 lines", "4.5.0", "reply of more than 100 lines (at MAIL)"),
        ("says no code", "4.5.0", "not a reply: 'hello there' (at MAIL)"),
        ("says yes and no", "4.5.0", "reply with contradicting codes (at MAIL)"),
        ("says 350", "4.5.0", "unexpected reply 350 (at MAIL)"),
    ],
)
def test_the_reply_says_what_happened_and_where(
    action: str, status: str, text: str
) -> None:
    with SmtpServer() as server:
        server.on("mail", BREAKS[action])
        [outcome] = attempt(server)

    assert (outcome.reply.status, outcome.reply.text) == (status, text)


@pytest.mark.parametrize("action", ["hangs", "drips"])
def test_the_reply_says_how_long_was_waited_and_where(
    action: str, patience: Patience
) -> None:
    with SmtpServer() as server:
        server.on("mail", then(patience.mark, BREAKS[action]))
        [outcome] = attempt(server, **LIMITS)

    said = (outcome.reply.status, outcome.reply.text)
    assert said == ("4.4.2", "timed out after 1 s (at MAIL)")


@pytest.mark.parametrize("stage", ["ehlo", "mail", "rcpt"])
def test_a_reply_too_many_is_not_taken_for_the_next_one(
    server: SmtpServer, stage: str
) -> None:
    """Else a no that nobody meant would fail the mail for good."""
    server.on(stage, then(actions.usual(), reply("550 5.0.0 by the way")))
    with server:
        try:
            [outcome] = attempt(server)
        except RouteError:
            assert stage == "ehlo"
        else:
            assert stage != "ehlo"
            assert outcome.disposition is DEFERRED

        assert server.ledger == []


def test_a_reply_in_the_middle_of_the_content_ends_the_connection(
    server: SmtpServer,
) -> None:
    """A yes that comes before the final dot answers something else."""
    server.on("data", reply("354 go on", "250 taken already"))
    with server:
        [outcome] = attempt(server)

        assert server.ledger == []
    assert outcome.disposition is DEFERRED
    assert not outcome.in_doubt


@pytest.mark.parametrize("action", ["closes", "resets", "hangs"])
def test_content_cut_off_is_the_messages_trouble(
    server: SmtpServer, action: str
) -> None:
    """A server that dies of one message is not to be closed to the others."""
    server.on("body", BREAKS[action])
    limits: dict[str, Any] = {"data_timeout": SOON} if action == "hangs" else {}
    with server:
        way = transport(server, **limits)
        for number in range(3):
            message = delivery(content=b"x\n" * 8_000_000, number=number)
            [outcome] = way.attempt(message, alive)

            assert outcome.disposition is DEFERRED
            assert not outcome.in_doubt


def test_who_was_refused_before_the_break_stays_refused(server: SmtpServer) -> None:
    server.on("rcpt", reply("550 5.1.1 no bob"), matching="bob")
    server.on("rcpt", actions.drop(), matching="eve")
    with server:
        outcomes = attempt(server, "bob@example.net", "eve@example.net")

    assert [outcome.disposition for outcome in outcomes] == [FAILED, DEFERRED]


def test_the_first_broken_conversation_is_blamed_on_the_mail_the_next_on_the_route(
    server: SmtpServer,
) -> None:
    server.on("mail", actions.drop())
    with server:
        way = transport(server)
        [first] = way.attempt(delivery(number=1), alive)
        with pytest.raises(RouteError):
            way.attempt(delivery(number=2), alive)
        [again] = way.attempt(delivery(number=2), alive)

    assert first.disposition is again.disposition is DEFERRED


def test_a_message_that_goes_through_clears_the_suspicion(server: SmtpServer) -> None:
    server.on("mail", actions.drop(), matching="poison")
    with server:
        way = transport(server)
        for number in range(4):
            sender = "poison@example.org" if number % 2 else "alice@example.org"
            [outcome] = way.attempt(delivery(sender=sender, number=number), alive)

            assert outcome.disposition is (DEFERRED if number % 2 else DELIVERED)
        way.close()


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_kept_connection_that_hangs_is_replaced_at_once(
    server: SmtpServer, stage: str, patience: Patience
) -> None:
    """So it looks when a firewall has forgotten an idle connection."""
    with server:
        server.on(stage, actions.usual(), times=2)
        server.on(stage, then(patience.mark, actions.hang()), times=1)
        way = transport(server, **LIMITS)
        for number in range(4):
            [outcome] = way.attempt(delivery(number=number), alive)
            assert outcome.disposition is DELIVERED
        way.close()

        assert len(server.delivered) == 4
        assert server.connections == 2


def test_a_name_that_nobody_knows_is_the_routes_trouble() -> None:
    with SmtpServer() as server:
        way = transport(server, host="no-such-host.invalid")
        with pytest.raises(RouteError, match="not resolved") as caught:
            way.attempt(delivery(), alive)

    assert caught.value.reply.status == "4.4.3"


def test_last_words_before_a_reset_are_heard(server: SmtpServer) -> None:
    """Many a server says that a message is too large, and hangs up at once."""
    server.on("body", then(reply("552 5.3.4 too large"), actions.reset()))
    with server:
        way = transport(server)
        for number in range(5):
            message = delivery(content=b"x\n" * 4_000_000, number=number)
            [outcome] = way.attempt(message, alive)

            assert outcome.disposition is FAILED
            assert outcome.reply.status == "5.3.4"
