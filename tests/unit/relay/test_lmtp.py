# SPDX-License-Identifier: Apache-2.0
"""LMTP, over TCP or a UNIX socket (RFC 2033)."""

import socket
from pathlib import Path

import pytest

from maildropd.config.relay import Protocol, Tls
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Disposition
from tests.fakes.actions import reply
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer


def unix_server(path: Path) -> SmtpServer:
    """Serve at a socket in the file system."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return SmtpServer(listener=listener)


def test_lmtp_says_lhlo_and_never_ehlo() -> None:
    with SmtpServer() as server:
        way = transport(server, protocol=Protocol.LMTP)
        [outcome] = way.attempt(delivery(), alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        assert server.heard[0].split() == [b"lhlo", b"client.example"]
        assert "ehlo" not in server.verbs()


def test_a_refused_lhlo_is_not_followed_by_helo() -> None:
    """RFC 2033 4.1: whoever refuses it does not speak LMTP."""
    with SmtpServer() as server:
        server.on("lhlo", reply("500 5.5.1 what?"))
        way = transport(server, protocol=Protocol.LMTP)
        with pytest.raises(RouteError, match="in reply to LHLO"):
            way.attempt(delivery(), alive)

        assert server.verbs() == ["lhlo"]


@pytest.mark.parametrize("protocol", Protocol)
def test_a_socket_takes_either_and_needs_no_tls(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Also where it is offered: nobody else can listen there."""
    path = tmp_path / "mail"
    with unix_server(path) as server:
        server.on("ehlo", reply("250-fake", "250 STARTTLS"))
        way = transport(server, protocol=protocol, socket=path, tls=Tls.OPPORTUNISTIC)
        [outcome] = way.attempt(delivery(), alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        assert outcome.relay == f"unix:{path}"
        assert "starttls" not in (verb.lower() for verb in server.verbs())


def test_a_socket_that_nobody_listens_at_is_the_routes_trouble(tmp_path: Path) -> None:
    with SmtpServer() as server:
        way = transport(server, socket=tmp_path / "mail")
        with pytest.raises(RouteError, match=f"connect to unix:{tmp_path}/mail: No "):
            way.attempt(delivery(), alive)
