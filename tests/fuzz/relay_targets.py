# SPDX-License-Identifier: Apache-2.0
"""What goes to a server, and what comes from it: no octet of it may be trusted.

The server is a string of octets that arrive in pieces; a plain reader of our
own says what they mean.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from maildropd.config.relay import Auth, RelayConfig, Tls
from maildropd.mail.envelope import DEFAULT_TERMS
from maildropd.mail.errors import RouteError
from maildropd.mail.events import RecipientDeferred
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply
from maildropd.relay import commands, session
from maildropd.relay.form.letter import letter
from maildropd.relay.form.octets import wire_blocks, wire_form
from maildropd.relay.identity.auth import authenticate
from maildropd.relay.identity.login import Login
from maildropd.relay.refusal import Step, misconfigured, refusal
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from maildropd.relay.wire import ConnectionLost, Wire
from tests.fakes.clock import FakeClock
from tests.fakes.relay import alive, delivery
from tests.fakes.tokens import FixedToken
from tests.fuzz.server_of_paper import Call, PaperServer, call, ledger, replies
from tests.fuzz.splits import chance, pieces, text, turns

_LINE_END = re.compile(rb"\r\n|\n|\r")
_CONFIG = RelayConfig(name="smarthost", tls=Tls.NONE, auth_in_clear=True)
_LOGIN = Login(username="ann", password="open-sesame")
_SECRETS = ("open-sesame", "b3Blbi1zZXNhbWU", "AGFubgBvcGVuLXNlc2FtZ")
_WITH_TOKENS = (Auth.XOAUTH2, Auth.OAUTHBEARER)
_NAMES = ("bob@example.net", "eve@example.net", "joe@example.net")


def letters(octets: bytes) -> None:
    """A server finds the lines of the content, one end, and nothing behind it."""
    whole = wire_form(octets)
    each = [octets[at : at + 1] for at in range(min(len(octets), 200))]
    for cut in (pieces(octets, chance(octets), 6), [*each, octets[200:]]):
        assert b"".join(wire_blocks(cut)) == whole, "in pieces it is another letter"
    lines = _LINE_END.split(octets)
    if lines[-1] == b"":
        lines.pop()
    assert _received(whole) == lines
    size = letter(delivery(content=octets)).size
    assert size == len(whole) - 3


def _received(stream: bytes) -> list[bytes]:
    """Read as the server does: lines end in CR LF, a lone dot ends them."""
    lines = stream.split(b"\r\n")
    assert lines.pop() == b"", "something follows the final dot"
    assert lines.pop() == b".", "no final dot"
    for line in lines:
        assert b"\r" not in line, "a bare CR, which another server takes for an end"
        assert b"\n" not in line, "a bare LF, which another server takes for an end"
        assert line != b".", "an end before the end"
    return [line.removeprefix(b".") for line in lines]


def paths(octets: bytes) -> None:
    """An address is one argument of one command, or is not said at all."""
    address = text(octets)
    offered = ("smtputf8", "size", "8bitmime")
    if commands.unspeakable(address, offered) is not None:
        return
    assert _argument(commands.rcpt(address, DEFAULT_TERMS, offered), b"RCPT TO:") == (
        address,
        "",
    )
    note = letter(delivery(sender=address, content=b"\xff"))
    path, words = _argument(commands.mail(note, [address], offered), b"MAIL FROM:")
    assert path == address
    plain = " SIZE=3 BODY=8BITMIME"
    assert words == (plain if address.isascii() else plain + " SMTPUTF8")


def _argument(line: bytes, verb: bytes) -> tuple[str, str]:
    """Return the path and what follows it, as a server takes the line apart."""
    assert line.startswith(verb + b"<")
    assert line.endswith(b"\r\n")
    said = line[len(verb) + 1 : -2].decode("utf-8")
    assert not re.search("[\r\n\0]", said)
    quoted = False
    at = 0
    while said[at] != ">" or quoted:
        quoted ^= said[at] == '"'
        at += 2 if quoted and said[at] == "\\" else 1
    return said[:at], said[at + 1 :]


def replies_read(octets: bytes) -> None:
    """What a server says does not depend on the packets it comes in."""
    expected = list(replies(octets))
    source = chance(octets)
    cuts = [[octets] if octets else [], pieces(octets, source), pieces(octets, source)]
    for cut in cuts:
        assert _heard(call(cut)) == expected
    for said in expected:
        _understood(said)


def _heard(at: Call) -> list[tuple[int, bytes]]:
    heard: list[tuple[int, bytes]] = []
    try:
        while True:
            heard.append(at.wire.getreply())
    except ConnectionLost as error:
        _must_wait(error.reply)
    return heard


def _must_wait(reply: Reply) -> None:
    """Broken words must not bounce a mail."""
    _printable(reply)
    assert reply.transient


def _understood(said: tuple[int, bytes]) -> None:
    for step in Step:
        reply = refusal(said, step)
        _printable(reply)
        assert Outcome.waiting(reply, "mx:25").reply.transient
        assert not (misconfigured(reply) and reply.transient)
        event = RecipientDeferred(
            queue_id=delivery().envelope.queue_id,
            recipient="bob@example.net",
            relay="mx:25",
            delay=timedelta(0),
            reply=reply,
            attempt=1,
            retry_in=timedelta(0),
        )
        assert "\n" not in event.text()


def _printable(reply: Reply) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", reply.text), reply
    assert len(reply.text) <= 600
    assert reply.status[0] == str(reply.code)[0] or reply.code < 400


def deliveries(octets: bytes) -> None:
    """Delivered is what the server took, once, and a mail fails by its word alone.

    Two messages in a row, each to one more for a # among the octets;
    connections are separated by a line with a tilde.
    """
    source = chance(octets)
    servers = [PaperServer(turns(one, source)) for one in octets.split(b"\n~\n")]
    names = _NAMES[: 1 + octets.count(b"#") % 3]
    who = Identity(config=_CONFIG, hostname="client.example")
    transport = SmtpTransport(who, FakeClock())
    parts = list(zip(servers, octets.split(b"\n~\n"), strict=True))
    with _reached(servers):
        for number in (1, 2):
            outcomes = _attempt(transport, names, number)
            _check(outcomes, names, number, parts)


def _attempt(
    transport: SmtpTransport, names: Sequence[str], number: int
) -> Sequence[Outcome]:
    """Try once; nothing is returned where the route was to blame."""
    content = b"Subject: %d\n\n.hello\n" % number
    message = delivery(*names, content=content, number=number)
    try:
        return transport.attempt(message, alive)
    except RouteError as error:
        _printable(error.reply)
        return ()


def _check(
    outcomes: Sequence[Outcome],
    names: Sequence[str],
    number: int,
    parts: Sequence[tuple[PaperServer, bytes]],
) -> None:
    books = [ledger(said, bytes(server.heard)) for server, said in parts]
    mine = [
        one
        for offered, _ in books
        for one in offered
        if b"Subject: %d\r" % number in one.content
    ]
    assert outcomes or not mine, "a message went out, and nobody knows"
    for name, outcome in zip(names, outcomes, strict=False):
        dots = [one for one in mine if _rcpt(name) in one.recipients]
        assert len(dots) <= 1, "sent twice in one attempt"
        code = dots[0].code if dots else None
        taken = code is not None and code < 300
        assert taken is (outcome.disposition is Disposition.DELIVERED)
        assert outcome.in_doubt is (bool(dots) and (code is None or 300 <= code < 400))
        if outcome.disposition is Disposition.FAILED:
            assert any(each >= 500 for _, codes in books for each in codes)
        _printable(outcome.reply)


def _rcpt(name: str) -> bytes:
    return b"RCPT TO:<%s>" % name.encode("ascii")


@contextmanager
def _reached(servers: Sequence[PaperServer]) -> Iterator[None]:
    """Let these servers be reached, one after the other, and then none."""
    waiting = iter(servers)

    def connect(wire: Wire, config: RelayConfig) -> None:
        server = next(waiting, None)
        if server is None:
            raise RouteError("connection refused")
        wire.sock = cast(socket.socket, server)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "connect", connect)
        yield


def sessions(octets: bytes) -> None:
    """A greeting and a login end well or with a route error, and tell no secret."""
    source = chance(octets)
    auth = list(Auth)[octets.count(b"#") % len(Auth)]
    config = replace(_CONFIG, auth=auth)
    login = _LOGIN
    if auth in _WITH_TOKENS:
        login = Login(username="ann", tokens=FixedToken("open-sesame"))
    at = call(turns(octets, source))
    try:
        session._greet(at.wire, config, None)
        assert len(at.wire.esmtp_features) <= 101, "a reply has a hundred lines at most"
        authenticate(at.wire, login, config)
    except (RouteError, ConnectionLost) as error:
        _check_trouble(error, bytes(at.server.heard))
    assert at.server.heard.count(b"\r\n") == at.server.heard.count(b"\n") <= 6


def _check_trouble(error: RouteError | ConnectionLost, heard: bytes) -> None:
    _printable(error.reply)
    assert error.reply.code >= 400
    told = f"{error} {error!r} {error.reply} {error.__cause__}"
    if b"AUTH" in heard:  # before, it can only have been guessed
        assert not any(secret in told for secret in _SECRETS), told
