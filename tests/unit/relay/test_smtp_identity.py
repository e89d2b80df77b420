# SPDX-License-Identifier: Apache-2.0
"""The one server that is meant, and the certificate that shows who we are."""

import hashlib
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from maildropd.config.relay import Tls
from maildropd.mail.errors import NotTrusted, RouteError, RouteMisconfigured
from tests.fakes.certificates import Certificates, certificates
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

NOTHING = "sha256:" + "0" * 64
KINDS = ["good", "expired", "wrong-name", "self-signed"]


@pytest.fixture(scope="session")
def made() -> Certificates:
    return certificates()


def print_of(made: Certificates, kind: str) -> str:
    pem = (made.folder / f"{kind}.crt").read_text()
    return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def with_colons(pin: str) -> str:
    name, digits = pin.split(":")
    pairs = [digits[at : at + 2] for at in range(0, 64, 2)]
    return f"{name}:" + ":".join(pairs).upper()


def send(server: SmtpServer, **changes: Any) -> None:
    way = transport(server, **({"tls": Tls.REQUIRED} | changes))
    try:
        way.attempt(delivery(), alive)
    finally:
        way.close()


@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.IMPLICIT])
@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_with_a_known_fingerprint_needs_no_authority(
    made: Certificates, kind: str, tls: Tls
) -> None:
    context = made.server(kind)
    with SmtpServer(tls=context, implicit=tls is Tls.IMPLICIT) as server:
        pins = (NOTHING, with_colons(print_of(made, kind)))
        send(server, tls=tls, tls_fingerprint=pins)

        assert server.delivered[0].encrypted


@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.IMPLICIT])
def test_another_certificate_is_refused_whoever_signed_it(
    made: Certificates, tls: Tls
) -> None:
    context = made.server("good")
    with SmtpServer(tls=context, implicit=tls is Tls.IMPLICIT) as server:
        pins = (NOTHING, print_of(made, "expired"))
        with pytest.raises(NotTrusted) as caught:
            send(server, tls=tls, tls_fingerprint=pins, tls_ca_file=made.ca)

        after = ["ehlo", "STARTTLS"] if tls is Tls.REQUIRED else []
        assert server.verbs() == after
    assert f"its fingerprint is {print_of(made, 'good')} (" in str(caught.value)
    assert caught.value.reply.status == "4.7.5"


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("expired", "must renew it"),
        ("wrong-name", "host must be a name in it"),
        ("self-signed", "tls_ca_file names whom to trust"),
    ],
)
def test_a_wrong_certificate_is_an_alarm_that_says_what_would_mend_it(
    made: Certificates, kind: str, remedy: str
) -> None:
    with (
        SmtpServer(tls=made.server(kind)) as server,
        pytest.raises(NotTrusted, match=remedy),
    ):
        send(server, tls_ca_file=made.ca)


def asking(made: Certificates) -> ssl.SSLContext:
    """Return the context of a server that serves only whom it knows."""
    context = made.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(made.ca)
    # With 1.3 a client hears later that its certificate is not good enough.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def copied(made: Certificates, name: str, folder: Path, mode: int = 0o600) -> Path:
    path = folder / name
    shutil.copyfile(made.folder / name, path)
    path.chmod(mode)
    return path


def test_our_certificate_is_shown_to_a_server_that_asks(
    made: Certificates, tmp_path: Path
) -> None:
    whole = copied(made, "good.pem", tmp_path)
    key = copied(made, "good.key", tmp_path)
    certificate = copied(made, "good.crt", tmp_path, 0o644)
    with SmtpServer(tls=asking(made)) as server:
        send(server, tls_ca_file=made.ca, tls_certificate=whole)
        send(server, tls_ca_file=made.ca, tls_certificate=certificate, tls_key=key)

        assert len(server.delivered) == 2


def test_without_one_such_a_server_takes_nothing(made: Certificates) -> None:
    with SmtpServer(tls=asking(made)) as server, pytest.raises(RouteError):
        send(server, tls_ca_file=made.ca)


def test_our_certificate_may_be_a_credential(
    made: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    shutil.copyfile(made.folder / "good.pem", tmp_path / "cred_us")
    with SmtpServer(tls=asking(made)) as server:
        send(server, tls_ca_file=made.ca, tls_certificate_credential="us")

        assert server.delivered


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666])
def test_a_key_that_others_can_read_is_none(
    made: Certificates, tmp_path: Path, mode: int
) -> None:
    key = copied(made, "good.key", tmp_path, mode)
    certificate = made.folder / "good.crt"
    if os.geteuid() == 0:  # a group of ours may read what is root's
        os.chown(key, -1, 12345)
    with (
        SmtpServer(tls=made.server()) as server,
        pytest.raises(RouteMisconfigured, match=r"good\.key: others can read"),
    ):
        send(server, tls_certificate=certificate, tls_key=key, tls_ca_file=made.ca)


def test_a_certificate_that_is_missing_is_the_admins_to_mend(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with (
        SmtpServer() as server,
        pytest.raises(RouteMisconfigured, match=r"tls_certificate .*missing\.pem"),
    ):
        send(server, tls_certificate=missing)


def test_what_is_no_certificate_is_the_admins_to_mend(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.touch(0o600)
    rubbish.write_text("this is no key\n")
    with (
        SmtpServer() as server,
        pytest.raises(RouteMisconfigured, match="tls_certificate"),
    ):
        send(server, tls_certificate=rubbish)


def test_a_key_with_a_password_does_not_wait_for_somebody_at_a_terminal(
    made: Certificates, tmp_path: Path
) -> None:
    key = tmp_path / "locked.key"
    words = ("ec", "-aes256", "-passout", "pass:word", "-out", str(key))
    source = ("-in", str(made.folder / "good.key"))
    subprocess.run(["openssl", *words, *source], check=True, capture_output=True)
    key.chmod(0o600)
    with (
        SmtpServer() as server,
        pytest.raises(RouteMisconfigured, match="wants a password"),
    ):
        send(server, tls_certificate=made.folder / "good.crt", tls_key=key)
