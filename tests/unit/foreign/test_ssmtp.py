# SPDX-License-Identifier: Apache-2.0
"""What ssmtp.conf and revaliases mean here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd.config.relay import Auth, Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.ssmtp import imported
from tests.unit.foreign.reading import Ours, ours

Read = Callable[..., Ours]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ssmtp.conf"


@pytest.fixture
def read(file: Path) -> Read:
    def read(*lines: str, users: str = "") -> Ours:
        file.write_text("\n".join(lines))
        if users:
            file.with_name("revaliases").write_text(users)
        return ours(imported, file)

    return read


def test_the_mailhub_becomes_the_relay_with_its_password_apart(read: Read) -> None:
    found = read(
        "# hub",
        "MailHub = mail.example.net:587",
        "UseSTARTTLS=YES",
        "AuthUser=bob@example.org",
        'authpass=se:cr"et',
        "AuthMethod=CRAM-MD5",
    )

    relay = found.config.relay
    assert (relay.host, relay.port, relay.tls) == (
        *("mail.example.net", 587),
        Tls.REQUIRED,
    )
    assert (relay.username, relay.auth) == ("bob@example.org", Auth.CRAM_MD5)
    assert found.imported.secrets == {"ssmtp": b'se:cr"et'}
    assert "UseSTARTTLS" in found.remarked  # certificates are checked now


@pytest.mark.parametrize(
    ("lines", "tls"),
    [
        (["UseTLS=yes"], Tls.IMPLICIT),
        (["UseTLS=YES", "UseSTARTTLS=YES"], Tls.REQUIRED),
        (["UseTLS=No"], Tls.NONE),
        ([], Tls.NONE),
    ],
)
def test_tls_is_as_strict_as_it_was(read: Read, lines: list[str], tls: Tls) -> None:
    assert read("mailhub=mail.example.net", *lines).config.relay.tls is tls


def test_a_password_that_went_in_clear_still_goes_and_it_is_said(read: Read) -> None:
    found = read("mailhub=mail.example.net", "AuthUser=bob", "AuthPass=x")

    assert found.config.relay.auth_in_clear
    assert "AuthUser" in found.remarked


def test_names_are_those_that_ssmtp_gave(read: Read) -> None:
    found = read(
        "mailhub=mail.example.net",
        "root=postmaster",
        "rewriteDomain=example.org",
        "hostname=h1.example.org",
        "FromLineOverride=YES",
    )

    names = found.config.names
    assert (names.domain, names.rewrite_from) == ("example.org", "@example.org")
    assert names.local_to == "postmaster@example.org"
    assert found.config.daemon.hostname == "h1.example.org"
    assert not found.config.submission.check_senders


def test_a_user_with_a_hub_of_his_own_keeps_it(read: Read) -> None:
    found = read(
        *("mailhub=mail.example.net", "UseTLS=YES", "AuthUser=b", "AuthPass=x"),
        users="# who\nroot:boss@example.org:hub.example.org:2525\n",
    )

    (submitter,) = found.config.submitters
    hub = next(each for each in found.config.relays if each.name == submitter.relay)
    assert (submitter.user, submitter.senders) == (("root",), ("boss@example.org",))
    assert (hub.host, hub.port, hub.tls) == ("hub.example.org", 2525, Tls.IMPLICIT)
    assert hub.password_credential == found.config.relay.password_credential


def test_what_has_no_equal_is_remarked_on(read: Read) -> None:
    found = read(
        *("mailhub=mail.example.net", "Debug=YES", "MinUserId=500", "Colour=blue"),
        *("UseTLS", "AuthUser=bob", "UseTLS=YES", "AuthPass=se=cret"),
    )

    assert {"debug", "minuserid", "Colour", "UseTLS", "AuthPass"} <= set(found.remarked)


def test_without_a_mailhub_it_is_the_host_of_that_name(read: Read) -> None:
    assert read("root=x@example.org").config.relay.host == "mailhub"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mailhub=mail.example.net:smtp", 'ssmtp.conf:1: "smtp" for port is not'),
        ("mailhub=a_b..c", "ssmtp.conf:1"),
        ("mailhub=m\nrewriteDomain=-x-", "ssmtp.conf:2"),
    ],
)
def test_what_cannot_be_read_names_its_line(file: Path, line: str, words: str) -> None:
    file.write_text(line)

    with pytest.raises(Unreadable) as caught:
        imported(file)

    assert words in str(caught.value)


def test_a_user_without_an_address_is_an_error(read: Read) -> None:
    with pytest.raises(Unreadable, match="revaliases:1: is not of the form"):
        read("mailhub=mail.example.net", users="root::hub\n")
