# SPDX-License-Identifier: Apache-2.0
"""The password stays here where the server lets it, and the server proves itself."""

import base64
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from maildropd.config.relay import Auth, Tls
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.relay.identity.login import Login
from tests.fakes.actions import Action, Peer, reply, usual
from tests.fakes.certificates import certificates
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.sasl import ScramServer
from tests.fakes.smtp_peer import SmtpPeer
from tests.fakes.smtp_server import SmtpServer

SECRET = "gehéim 5ecret"
USERS = {"jürgen": SECRET}
ALL = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5"
HELLO = "250-fake.example"


def scram_server(
    offered: str = ALL, version: ssl.TLSVersion | None = None
) -> SmtpServer:
    made = certificates()
    context = made.server()
    if version:
        context.maximum_version = version
    server = SmtpServer(users=USERS, tls=context)
    pem = (made.folder / "good.crt").read_text()
    server.manners = replace(
        server.manners,
        mechanisms=offered,
        end_point=hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest(),
    )
    return server


def send(server: SmtpServer, login: Login | None = None, **changes: object) -> None:
    way = transport(
        server,
        login or Login(username="jürgen", password=SECRET),
        **({"tls": Tls.REQUIRED, "tls_ca_file": certificates().ca} | changes),
    )
    way.attempt(delivery(), alive)
    way.close()


def said(server: SmtpServer) -> list[tuple[str, str]]:
    """Return each mechanism that was tried, and the flag of its binding."""
    lines = [line.split() for line in server.heard if line.startswith(b"AUTH ")]
    return [
        (words[1].decode(), base64.b64decode(words[2]).decode().split(",")[0])
        for words in lines
    ]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (ssl.TLSVersion.TLSv1_2, "p=tls-unique"),
        (ssl.TLSVersion.TLSv1_3, "p=tls-server-end-point"),
    ],
)
def test_a_login_is_tied_to_its_tls_where_the_server_offers_that(
    version: ssl.TLSVersion, kind: str
) -> None:
    with scram_server(version=version) as server:
        send(server)

        assert said(server) == [("SCRAM-SHA-256-PLUS", kind)]
        assert [taken.user for taken in server.delivered] == ["jürgen"]
        assert SECRET.encode() not in b"".join(server.heard)


def test_a_server_in_between_with_a_certificate_of_its_own_gets_nothing() -> None:
    with scram_server() as server:
        server.manners = replace(server.manners, end_point=b"another")
        with pytest.raises(RouteMisconfigured, match="authentication failed"):
            send(server)

        assert not server.delivered
        assert len(said(server)) == 1


def test_a_server_that_binds_nothing_hears_that_we_could_have() -> None:
    """If somebody took the offer out of its words, it ends there (RFC 5802 6)."""
    with scram_server("SCRAM-SHA-256 PLAIN") as server:
        send(server)

        assert said(server) == [("SCRAM-SHA-256", "y")]
        assert server.delivered


@pytest.mark.parametrize("offered", [ALL, "SCRAM-SHA-256"])
def test_without_binding_on_our_own_will_we_do_not_say_that_it_was_missing(
    offered: str,
) -> None:
    with scram_server(offered) as server:
        send(server, auth=Auth.SCRAM_SHA_256)

        [(_, flag)] = said(server)
        assert flag == ("n" if offered == ALL else "y")


def test_in_clear_there_is_nothing_to_bind_to() -> None:
    with scram_server() as server:
        send(server, tls=Tls.NONE, auth_in_clear=True)

        assert said(server) == [("SCRAM-SHA-256", "n")]


def test_a_server_that_knows_none_of_our_ways_to_bind_is_asked_once() -> None:
    """Each refusal may count as an attack."""
    login = Login(username="jürgen", password=SECRET)
    with scram_server() as server:
        server.on("auth", reply("535 5.7.8 what binding?"), matching="-PLUS")
        send(server, login)
        send(server, login)

        assert said(server) == [
            ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point"),
            ("SCRAM-SHA-256", "n"),
            ("SCRAM-SHA-256", "n"),
        ]
        assert len(server.delivered) == 2


def test_binding_that_was_demanded_is_not_given_up() -> None:
    with scram_server() as server:
        server.on("auth", reply("535 5.7.8 what binding?"), matching="-PLUS")
        with pytest.raises(RouteMisconfigured, match="what binding"):
            send(server, auth=Auth.SCRAM_SHA_256_PLUS)

        assert len(said(server)) == 1


def test_binding_that_was_demanded_needs_tls() -> None:
    with scram_server() as server:
        with pytest.raises(RouteMisconfigured, match="nothing to bind to"):
            send(server, auth=Auth.SCRAM_SHA_256_PLUS, tls=Tls.NONE, auth_in_clear=True)

        assert not said(server)


def test_a_wrong_password_is_tried_once() -> None:
    with scram_server() as server:
        with pytest.raises(RouteMisconfigured) as caught:
            send(server, Login(username="jürgen", password="another"))

        assert len(said(server)) == 1
    assert caught.value.reply.code == 535


def challenge(change: Callable[[bytes], bytes]) -> Action:
    """At ``auth``: begin as SCRAM has it, but for one change, and end with a yes."""

    def act(peer: Peer) -> None:
        assert isinstance(peer, SmtpPeer)
        ask, initial = peer._ask, peer._line.split()[2].decode()
        ScramServer(USERS, lambda said: ask(change(said))).proven(initial, plus=False)
        peer.send(b"235 2.7.0 welcome\r\n")

    return act


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda said: said.replace(b"r=", b"r=other"), "nonce"),
        (lambda said: said.replace(b"i=4096", b"i=1"), "iterations"),
        (lambda said: said.replace(b"i=4096", b"i=1000000000"), "iterations"),
        (lambda said: b"v=AAAA" if said[:1] == b"v" else said, "does not know"),
        (lambda said: b"e=no" if said[:1] == b"v" else said, "ends SCRAM: no"),
        (lambda said: b"x" * 3000, "more than 2048"),
        (lambda said: b"x" * 30000, "more than 2048"),
    ],
    ids=["nonce", "few", "many", "signature", "error", "long", "longer"],
)
def test_a_hostile_server_gets_no_mail(
    change: Callable[[bytes], bytes], why: str
) -> None:
    with scram_server("SCRAM-SHA-256") as server:
        server.on("auth", challenge(change))
        with pytest.raises(RouteError, match=why):
            send(server)

        assert "MAIL" not in server.verbs()


@pytest.mark.parametrize("when", ["at once", "after the proof"])
def test_a_yes_from_who_has_proven_nothing_is_an_alarm(when: str) -> None:
    """Anybody can say 235; only who knows the password can sign."""

    def act(peer: Peer) -> None:
        assert isinstance(peer, SmtpPeer)
        if when == "after the proof":
            peer._ask(_first(peer))
        peer.send(b"235 2.7.0 welcome\r\n")

    with scram_server("SCRAM-SHA-256") as server:
        server.on("auth", act)
        with pytest.raises(RouteMisconfigured, match="did not prove"):
            send(server)

        assert "MAIL" not in server.verbs()


def _first(peer: SmtpPeer) -> bytes:
    words = peer._line.split()
    nonce = base64.b64decode(words[2]).decode().partition(",r=")[2]
    return f"r={nonce}x,s=QSXC,i=4096".encode()


def test_what_was_offered_before_tls_does_not_choose() -> None:
    with scram_server() as server:
        server.on("ehlo", reply(HELLO, "250-STARTTLS", "250 AUTH PLAIN"), times=1)
        server.on("ehlo", usual())
        send(server)

        assert said(server)[0][0] == "SCRAM-SHA-256-PLUS"
