# SPDX-License-Identifier: Apache-2.0
"""What dma.conf and auth.conf mean here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd.config.relay import Tls
from maildropd.foreign.dma import imported
from maildropd.foreign.errors import Unreadable
from tests.unit.foreign.reading import Ours, ours

Read = Callable[..., Ours]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dma.conf"


@pytest.fixture
def read(file: Path) -> Read:
    def read(*lines: str, passwords: str = "") -> Ours:
        auth = file.with_name("auth.conf")
        file.write_text("\n".join([*lines, f"AUTHPATH {auth}"]))
        if passwords:
            auth.write_text(passwords)
        return ours(imported, file)

    return read


def test_the_smarthost_becomes_the_relay_with_its_password_apart(read: Read) -> None:
    found = read(
        *("# ours", "SMARTHOST mail.example.net", "PORT 587"),
        *("SECURETRANSFER", "STARTTLS", "NULLCLIENT"),
        passwords="# who\neve|other.example:no\nbob|mail.example.net:pa:ss|w\n",
    )

    relay = found.config.relay
    assert (relay.host, relay.port, relay.tls) == (
        *("mail.example.net", 587),
        Tls.REQUIRED,
    )
    assert relay.username == "bob"
    assert found.imported.secrets == {"dma": b"pa:ss|w"}
    assert found.remarked == ["SECURETRANSFER", "other.example"]


@pytest.mark.parametrize(
    ("lines", "tls", "verify"),
    [
        ([], Tls.NONE, True),
        (["SECURETRANSFER"], Tls.IMPLICIT, True),
        (["SECURETRANSFER", "STARTTLS", "OPPORTUNISTIC_TLS"], Tls.OPPORTUNISTIC, False),
    ],
)
def test_tls_is_as_strict_as_it_was(
    read: Read, lines: list[str], tls: Tls, *, verify: bool
) -> None:
    relay = read("SMARTHOST mail.example.net", *lines).config.relay

    assert (relay.tls, relay.tls_verify) == (tls, verify)


def test_a_fingerprint_is_kept(read: Read) -> None:
    found = read(
        *("SMARTHOST mail.example.net", "SECURETRANSFER", "STARTTLS"),
        *("OPPORTUNISTIC_TLS", f"FINGERPRINT {'A1' * 32}"),
    )

    assert found.config.relay.tls_fingerprint == (f"sha256:{'A1' * 32}",)
    assert found.config.relay.tls is Tls.REQUIRED
    assert "FINGERPRINT" in found.remarked


def test_without_a_smarthost_dns_says_who_takes_the_mail(read: Read) -> None:
    (route,) = read("SMARTHOST", "MAILNAME h1.example.org").config.routes

    assert (route.recipient, route.mx) == (("*",), "smarthost")


@pytest.mark.parametrize("insecure", [True, False])
def test_a_password_goes_in_clear_only_where_that_was_said(
    read: Read, *, insecure: bool
) -> None:
    lines = ["SMARTHOST mail.example.net", *(["INSECURE"] if insecure else [])]

    relay = read(*lines, passwords="bob|mail.example.net:x\n").config.relay

    assert relay.auth_in_clear is insecure
    assert relay.tls is (Tls.NONE if insecure else Tls.REQUIRED)


def test_names_are_those_that_dma_gave(read: Read, tmp_path: Path) -> None:
    (tmp_path / "mailname").write_text("h1.example.org\n")

    found = read(
        *("SMARTHOST mail.example.net", f"MAILNAME {tmp_path / 'mailname'}"),
        *("MASQUERADE joe@example.org", "ALIASES /etc/mail/aliases"),
    )

    names = found.config.names
    assert names.domain == found.config.daemon.hostname == "h1.example.org"
    assert names.rewrite_from == "joe@example.org"
    assert str(names.aliases) == "/etc/mail/aliases"
    assert "NULLCLIENT" in found.remarked  # its local mailboxes are none here


def test_what_has_no_equal_is_remarked_on(read: Read) -> None:
    found = read(
        *("SMARTHOST mail.example.net", "NULLCLIENT", "DEFER", "FULLBOUNCE"),
        *("MASQUERADE joe@", "SPOOLDIR /var/spool/dma"),
    )

    known = {"DEFER", "FULLBOUNCE", "MASQUERADE", "SPOOLDIR"}
    assert known <= set(found.remarked)


@pytest.mark.parametrize(
    ("lines", "passwords", "words"),
    [
        (["SMARTHORST x"], "", "dma.conf:1: SMARTHORST is no setting"),
        (["SMARTHOST a", "PORT 1x"], "", 'dma.conf:2: "1x" for port is not'),
        (["SMARTHOST a.example"], "bob:x\n", "auth.conf:1: is not of the form"),
        (["SMARTHOST a", "SECURETRANSFER", "FINGERPRINT 12"], "", "dma.conf:3"),
    ],
)
def test_what_cannot_be_read_names_its_line(
    read: Read, lines: list[str], passwords: str, words: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read(*lines, passwords=passwords)

    assert words in str(caught.value)
    assert "bob" not in str(caught.value)
