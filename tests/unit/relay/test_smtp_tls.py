# SPDX-License-Identifier: Apache-2.0
"""Encrypted to the right server, or not at all, unless the admin said otherwise."""

import resource
import socket
import threading
from pathlib import Path

import pytest

from maildropd.config.relay import Tls
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.outcome import Disposition
from maildropd.relay import session
from maildropd.relay.identity.login import Login
from tests.fakes import actions
from tests.fakes.actions import Action, reply, then, usual
from tests.fakes.certificates import Certificates, certificates
from tests.fakes.relay import SOON, alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

BAD = ["expired", "wrong-name", "self-signed"]
ENCRYPTED = [Tls.OPPORTUNISTIC, Tls.REQUIRED, Tls.IMPLICIT]


@pytest.fixture(scope="session")
def made() -> Certificates:
    return certificates()


def tls_server(
    made: Certificates, kind: str = "good", *, implicit: bool = False
) -> SmtpServer:
    return SmtpServer(tls=made.server(kind), implicit=implicit)


@pytest.mark.parametrize("tls", ENCRYPTED)
def test_mail_goes_encrypted_to_a_server_with_a_good_certificate(
    made: Certificates, tls: Tls
) -> None:
    with tls_server(made, implicit=tls is Tls.IMPLICIT) as server:
        way = transport(server, tls=tls, tls_ca_file=made.ca)
        for number in range(3):
            [outcome] = way.attempt(delivery(number=number), alive)
            assert outcome.disposition is Disposition.DELIVERED
        way.close()

        assert [taken.encrypted for taken in server.delivered] == [True] * 3
        assert server.connections == 1


@pytest.mark.parametrize("words", [b"", b"421 4.4.2 idle too long\r\n"])
def test_an_encrypted_connection_that_ended_while_idle_is_replaced(
    made: Certificates, words: bytes
) -> None:
    with tls_server(made) as server:
        closed = threading.Event()

        def close(peer: actions.Peer) -> None:
            peer.usual()
            peer.send(words)
            peer.flush()
            socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
            closed.set()

        server.on("dot", close, times=1)
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=made.ca)
        for number in range(3):
            [outcome] = way.attempt(delivery(number=number), alive)
            assert outcome.disposition is Disposition.DELIVERED
            assert closed.wait(10)
        way.close()

        assert server.connections == 2
        assert server.verbs().count("MAIL") == 3


def test_an_address_in_the_certificate_is_as_good_as_a_name(made: Certificates) -> None:
    with tls_server(made) as server:
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=made.ca, host="127.0.0.1")
        way.attempt(delivery(), alive)
        way.close()

        assert server.delivered[0].encrypted


@pytest.mark.parametrize("tls", ENCRYPTED)
@pytest.mark.parametrize("kind", BAD)
def test_mail_waits_when_the_certificate_is_bad(
    made: Certificates, kind: str, tls: Tls
) -> None:
    with tls_server(made, kind, implicit=tls is Tls.IMPLICIT) as server:
        way = transport(server, tls=tls, tls_ca_file=made.ca)
        with pytest.raises(RouteError, match="certificate not accepted") as caught:
            way.attempt(delivery(), alive)

        assert "MAIL" not in server.verbs()
    assert caught.value.reply.status == "4.7.5"


@pytest.mark.parametrize("kind", BAD)
def test_any_certificate_will_do_where_verification_is_switched_off(
    made: Certificates, kind: str
) -> None:
    with tls_server(made, kind) as server:
        way = transport(server, tls=Tls.REQUIRED, tls_verify=False)
        way.attempt(delivery(), alive)
        way.close()

        assert server.delivered[0].encrypted


def test_a_good_certificate_of_an_unknown_authority_is_bad(made: Certificates) -> None:
    with tls_server(made) as server, pytest.raises(RouteError, match="certificate"):
        transport(server, tls=Tls.REQUIRED).attempt(delivery(), alive)


def test_opportunistic_goes_in_clear_where_starttls_is_not_offered() -> None:
    with SmtpServer() as server:
        way = transport(server, tls=Tls.OPPORTUNISTIC)
        way.attempt(delivery(), alive)
        way.close()

        assert not server.delivered[0].encrypted


def test_required_waits_where_starttls_is_not_offered() -> None:
    with SmtpServer() as server:
        way = transport(server, tls=Tls.REQUIRED)
        with pytest.raises(RouteError, match="does not offer STARTTLS") as caught:
            way.attempt(delivery(), alive)

    assert caught.value.reply.status == "4.7.4"


@pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, Tls.REQUIRED])
@pytest.mark.parametrize("words", ["454 4.7.0 not now", "502 5.5.1 what?"])
def test_starttls_offered_and_then_refused_is_no_reason_to_go_in_clear(
    made: Certificates, tls: Tls, words: str
) -> None:
    with tls_server(made) as server:
        server.on("starttls", reply(words))
        way = transport(server, tls=tls, tls_ca_file=made.ca)
        with pytest.raises(RouteError, match="STARTTLS") as caught:
            way.attempt(delivery(), alive)

        assert "MAIL" not in server.verbs()
    assert caught.value.reply.code == int(words[:3])


@pytest.mark.parametrize(
    "action",
    [
        actions.raw(b"this is not TLS at all\r\n"),
        actions.raw(b"\x15\x03\x03\x00\x02\x02\x28"),  # alert: handshake failure
        actions.drop(),
        actions.reset(),
        actions.hang(),
    ],
    ids=["garbage", "alert", "closes", "resets", "hangs"],
)
@pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, Tls.IMPLICIT])
def test_a_handshake_that_fails_is_no_reason_to_go_in_clear(
    made: Certificates, action: Action, tls: Tls
) -> None:
    with tls_server(made, implicit=tls is Tls.IMPLICIT) as server:
        server.on("tls", then(action, actions.drop()))
        way = transport(server, tls=tls, command_timeout=SOON, tls_ca_file=made.ca)
        with pytest.raises(RouteError):
            way.attempt(delivery(), alive)

        assert "MAIL" not in server.verbs()


def test_words_slipped_in_before_the_handshake_are_not_believed(
    made: Certificates,
) -> None:
    """They would be read as if they had come encrypted (CVE-2011-0411)."""
    with tls_server(made) as server:
        injected = b"220 go ahead\r\n250-evil.example\r\n250 AUTH PLAIN\r\n"
        server.on("starttls", actions.raw(injected))
        way = transport(server, tls=Tls.OPPORTUNISTIC, tls_ca_file=made.ca)
        with pytest.raises(RouteError, match="plaintext was sent"):
            way.attempt(delivery(), alive)

        assert "MAIL" not in server.verbs()


def test_what_was_offered_in_clear_is_forgotten(made: Certificates) -> None:
    with tls_server(made) as server:
        server.on("ehlo", usual(), times=1)
        server.on("ehlo", reply("250 fake.example"))
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=made.ca)
        way.attempt(delivery(), alive)
        way.close()

        assert server.delivered[0].mail == b"MAIL FROM:<alice@example.org>\r\n"


def test_a_missing_file_of_authorities_is_the_admins_to_mend(
    made: Certificates,
) -> None:
    with SmtpServer() as server:
        missing = made.folder / "no-such-file.pem"
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=missing)
        with pytest.raises(RouteMisconfigured, match=r"tls_ca_file .*no-such-file"):
            way.attempt(delivery(), alive)


def test_authorities_that_were_mended_count_from_the_next_attempt_on(
    made: Certificates, tmp_path: Path
) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes((made.folder / "self-signed.crt").read_bytes())
    with tls_server(made) as server:
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=authorities)
        with pytest.raises(RouteError, match="certificate not accepted"):
            way.attempt(delivery(), alive)
        authorities.write_bytes(made.ca.read_bytes())
        [outcome] = way.attempt(delivery(), alive)
        way.close()

    assert outcome.disposition is Disposition.DELIVERED


def test_a_want_of_file_descriptors_is_not_the_admins_to_mend(
    made: Certificates,
) -> None:
    with SmtpServer() as server:
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=made.ca)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(RouteError) as caught:
                way.attempt(delivery(), alive)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not isinstance(caught.value, RouteMisconfigured)


@pytest.mark.parametrize("step", ["_start_tls", "authenticate"])
def test_a_connection_that_was_not_opened_to_the_end_carries_no_mail(
    made: Certificates, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It was in clear, or nobody had logged in: and the next mail went over it."""
    real = getattr(session, step)

    def fail(*_: object) -> None:
        monkeypatch.setattr(session, step, real)
        raise MemoryError

    monkeypatch.setattr(session, step, fail)
    login = Login(username="ann", password="open-sesame")
    users = {"ann": "open-sesame"}
    with SmtpServer(tls=made.server(), users=users) as server:
        way = transport(server, login, tls=Tls.REQUIRED, tls_ca_file=made.ca)
        with pytest.raises(MemoryError):
            way.attempt(delivery(number=1), alive)
        way.attempt(delivery(number=2), alive)
        way.close()

    (taken,) = server.delivered
    assert taken.encrypted
    assert taken.user == "ann"
