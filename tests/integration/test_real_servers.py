# SPDX-License-Identifier: Apache-2.0
"""Others' servers take our logins, and others' verifiers our signatures."""

import base64
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from maildropd.config.dkim import DkimConfig
from maildropd.config.relay import Auth, Tls
from maildropd.host.clock import SystemClock
from maildropd.mail.errors import RouteMisconfigured
from maildropd.relay.identity.dkim import DkimSigner
from maildropd.relay.identity.login import Login
from maildropd.relay.identity.scram import Binding, SaltedPassword, Scram
from maildropd.relay.identity.signing import signature
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from tests.fakes.certificates import certificates
from tests.fakes.dkim_keys import ED25519, RSA, keys, record
from tests.fakes.relay import alive, delivery, relay
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.tokens import FixedToken
from tests.integration.dovecot import PASSWORD, Dovecot, Introspection

SERVERS = (
    "/usr/sbin/dovecot",
    "/usr/lib/dovecot/submission",
    "/usr/sbin/opendkim",
    "/usr/bin/gsasl",
)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not all(Path(each).exists() for each in SERVERS),
        reason="needs dovecot-submissiond, gsasl and opendkim",
    ),
]

TOKEN = "ya29.a0AfH6SMBx-token-of-the-day"
NAME = "jürgen@example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A Dovecot, what it hands on to, and what it asks about tokens."""

    dovecot: Dovecot
    backend: SmtpServer
    endpoint: Introspection

    def send(self, login: Login, auth: Auth) -> bytes:
        """Send a mail; return what the backend got of it."""
        config = relay(
            self.backend,
            host="localhost",
            port=self.dovecot.port,
            tls=Tls.REQUIRED,
            tls_ca_file=certificates().ca,
            auth=auth,
        )
        before = len(self.backend.delivered)
        who = Identity(config=config, hostname="client.example", login=login)
        way = SmtpTransport(who, SystemClock())
        try:
            way.attempt(delivery(), alive)
        finally:
            way.close()
        [taken] = self.backend.delivered[before:]
        return taken.content


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with (
        SmtpServer() as backend,
        Introspection(TOKEN, NAME) as endpoint,
        Dovecot({NAME: PASSWORD}, backend, endpoint.url) as dovecot,
    ):
        yield Stage(dovecot=dovecot, backend=backend, endpoint=endpoint)


PASSWORDS = [Auth.AUTO, Auth.SCRAM_SHA_256, Auth.PLAIN, Auth.LOGIN, Auth.CRAM_MD5]
TOKENS = [Auth.AUTO, Auth.OAUTHBEARER, Auth.XOAUTH2]


@pytest.mark.parametrize("auth", PASSWORDS)
def test_dovecot_takes_our_password(stage: Stage, auth: Auth) -> None:
    content = stage.send(Login(username=NAME, password=PASSWORD), auth)

    assert b"How do you do?" in content


def test_dovecot_is_spoken_to_by_scram_if_we_may_choose(stage: Stage) -> None:
    stage.send(Login(username=NAME, password=PASSWORD), Auth.AUTO)

    assert "SCRAM-SHA-256" in stage.dovecot.log()


@pytest.mark.parametrize("auth", PASSWORDS)
def test_dovecot_refuses_another_password(stage: Stage, auth: Auth) -> None:
    with pytest.raises(RouteMisconfigured) as caught:
        stage.send(Login(username=NAME, password="another"), auth)

    assert caught.value.reply.code == 535


@pytest.mark.parametrize("auth", TOKENS)
def test_dovecot_takes_our_token(stage: Stage, auth: Auth) -> None:
    login = Login(username=NAME, tokens=FixedToken(TOKEN))

    assert b"How do you do?" in stage.send(login, auth)
    assert stage.endpoint.asked[-1]["token"] == TOKEN


@pytest.mark.parametrize("auth", TOKENS)
def test_a_token_that_dovecot_refuses_is_replaced(stage: Stage, auth: Auth) -> None:
    """It explains itself in JSON, and says 535 when that was answered."""
    login = Login(username=NAME, tokens=FixedToken("stale-token", TOKEN))

    assert b"How do you do?" in stage.send(login, auth)


@pytest.mark.parametrize("auth", TOKENS)
def test_what_dovecot_says_of_a_token_is_told(stage: Stage, auth: Auth) -> None:
    login = Login(username=NAME, tokens=FixedToken("stale-token"))
    with pytest.raises(RouteMisconfigured, match="does not take the token") as caught:
        stage.send(login, auth)

    assert caught.value.reply.code == 535


def said_by(server: subprocess.Popen[bytes]) -> bytes:
    """Return the next message of gsasl, behind whatever it asks people for."""
    assert server.stdout is not None
    for line in server.stdout:
        # It begins with r= or v=, and may stand behind a question.
        if found := re.search(rb"\b[cd]j[A-Za-z0-9+/]+=*$", line.strip()):
            return base64.b64decode(found[0])
    raise AssertionError("it said nothing")


@pytest.mark.parametrize("bound", [b"what both ends see", b"what one end sees"])
def test_gsasl_takes_our_proof_if_it_is_bound_to_the_same_tls(bound: bytes) -> None:
    """Dovecot has no binding; GNU SASL asks at its terminal for what TLS has."""
    salted = SaltedPassword(PASSWORD)
    same = b"what both ends see"
    ours = Scram(NAME, salted, Binding(flag="p=tls-unique", octets=same))
    words = ["--server", "--quiet", "--mechanism=SCRAM-SHA-256-PLUS"]
    server = subprocess.Popen(
        ["/usr/bin/gsasl", *words, f"--password={PASSWORD}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"LC_ALL": "C.UTF-8"},
    )
    with server:
        assert server.stdin is not None
        for message in (ours.first(), bound):
            server.stdin.write(base64.b64encode(message) + b"\n")
        server.stdin.flush()
        final = ours.final(said_by(server))
        server.stdin.write(base64.b64encode(final) + b"\n")
        server.stdin.flush()
        if bound == same:
            ours.verify(said_by(server))
        else:
            rest, _ = server.communicate(timeout=20)
            assert b"error" in rest
        server.terminate()
    assert ours.verified is (bound == same)


HEADER = b"From: Ann <ann@example.org>\r\nSubject: a\r\n  folded  one\r\nTo: b\r\n"
MESSAGE = HEADER + b"\r\nHow do you  do? \r\n\r\n.\r\n\r\n\r\n"


def opendkim(folder: Path, key: str, message: bytes) -> str:
    """Return what OpenDKIM says of a message; it knows one key, from a file."""
    known = b"default._domainkey.example.org " + record(key) + b"\n"
    (folder / "known").write_bytes(known)
    (folder / "conf").write_text(f"TestPublicKeys {folder}/known\nSyslog no\n")
    (folder / "message").write_bytes(message)
    done = subprocess.run(
        ["/usr/sbin/opendkim", "-x", folder / "conf", "-t", folder / "message"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("key", [RSA, ED25519])
def test_opendkim_verifies_our_signature(tmp_path: Path, key: str) -> None:
    section = DkimConfig(name="example.org", key_file=keys() / key)
    signer = DkimSigner([section], SystemClock())
    out = signature(signer, lambda: iter([MESSAGE])) + MESSAGE

    assert "succeeded" in opendkim(tmp_path, key, out)
    assert "failed" in opendkim(tmp_path, key, out.replace(b"How", b"Who"))
