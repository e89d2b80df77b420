# SPDX-License-Identifier: Apache-2.0
"""What msmtprc means here."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.relay import Auth, Protocol, Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.msmtp import imported
from tests.unit.foreign.reading import Ours, ours

Read = Callable[[str], Ours]

TWO = """
# of two accounts
defaults
tls on
port 587

account work
host smtp.work.example
from joe@work.example
auth on
user "joe smith"
password "a\\"b # c"

account free
host smtp.free.example
from *@free.example
user joe
auth plain
password secret
tls_starttls off
port 465

account default : work
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "msmtprc"


@pytest.fixture
def read(file: Path) -> Read:
    def read(text: str) -> Ours:
        file.write_text(text)
        return ours(imported, file)

    return read


def test_the_default_account_takes_all_mail(read: Read) -> None:
    found = read(TWO)

    relay = found.config.relay
    assert (relay.host, relay.port, relay.tls) == (
        *("smtp.work.example", 587),
        Tls.REQUIRED,
    )
    assert relay.username == "joe smith"
    assert found.imported.secrets["msmtp"] == b'a\\"b # c'
    assert found.config.names.rewrite_from == "joe@work.example"


def test_an_account_with_a_sender_takes_the_mail_of_that_sender(read: Read) -> None:
    found = read(TWO)

    (route,) = found.config.routes
    assert route.sender == ("free.example",)
    free = next(each for each in found.config.relays if each.name == "free")
    assert route.relay[0].relay == "free"
    assert (free.tls, free.auth) == (Tls.IMPLICIT, Auth.PLAIN)
    assert found.imported.secrets[free.password_credential] == b"secret"


@pytest.mark.parametrize(
    ("sender", "word"),
    [
        ("joe@free.example", "joe@free.example"),
        ("*@free.example", "free.example"),
        ("joe-*@free.example", r"/^joe\-.*@free\.example$/"),
    ],
)
def test_patterns_of_senders_keep_their_meaning(
    read: Read, sender: str, word: str
) -> None:
    text = (
        f"account a\nhost a.example\nfrom {sender}\naccount default\nhost b.example\n"
    )

    (route,) = read(text).config.routes

    assert route.sender == (word,)


def test_a_server_is_described_as_it_was(read: Read) -> None:
    prints = ":".join(["AB"] * 32)
    text = (
        "account default\nhost lmtp.example\nport 24\nprotocol lmtp\ntimeout 20\n"
        f"domain h1.example.org\ntls\ntls_fingerprint {prints}\n"
        "tls_cert_file /etc/c.pem\ntls_key_file /etc/k.pem\n"
    )

    relay = read(text).config.relay

    assert relay.protocol is Protocol.LMTP
    assert relay.tls_fingerprint == (f"sha256:{prints}",)
    assert (str(relay.tls_certificate), str(relay.tls_key)) == (
        "/etc/c.pem",
        "/etc/k.pem",
    )
    assert relay.hostname == "h1.example.org"
    assert relay.connect_timeout == relay.command_timeout == timedelta(seconds=20)


def test_a_certificate_that_was_not_checked_is_not_checked_and_said(read: Read) -> None:
    found = read("account default\nhost a.example\ntls on\ntls_certcheck off\n")

    assert not found.config.relay.tls_verify
    assert found.remarked == ["tls_certcheck"]


def test_a_command_for_a_password_is_not_run(read: Read, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    found = read(
        "account default\nhost a.example\ntls on\nauth on\nuser joe\n"
        f"passwordeval touch {touched}\neval touch {touched}\n"
    )

    assert found.config.relay.password_credential == "msmtp"
    assert not found.imported.secrets
    assert found.remarked == ["eval", "passwordeval"]
    assert not touched.exists()


def test_the_default_alias_gets_all_local_mail(read: Read, tmp_path: Path) -> None:
    aliases = tmp_path / "aliases"
    aliases.write_text("root: ops@example.org\ndefault: all@example.org # all\n")

    config = read(f"account default\nhost a.example\naliases {aliases}\n").config

    assert config.names.aliases == aliases
    assert config.names.local_to == "all@example.org"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("source_ip 192.0.2.1", "source_ip"),
        ("proxy_host localhost", "proxy_host"),
        ("tls_priorities NORMAL", "tls_priorities"),
        ("dsn_notify failure", "dsn_notify"),
        ("syslog LOG_MAIL", "syslog"),
        ("remove_bcc_headers off", "remove_bcc_headers"),
        ("undisclosed_recipients on", "undisclosed_recipients"),
        ("from %U@%H", "from"),
    ],
)
def test_what_has_no_equal_is_remarked_on(read: Read, line: str, key: str) -> None:
    found = read(f"account default\nhost a.example\n{line}\n")

    assert found.remarked == [key]


@pytest.mark.parametrize(
    "line", ["remove_bcc_headers on", "syslog off", "set_from_header auto", "tls off"]
)
def test_what_is_as_it_would_be_anyway_is_not(read: Read, line: str) -> None:
    assert read(f"account default\nhost a.example\n{line}\n").remarked == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no account with a host"),
        ("host a.example\n", "msmtprc:1: host stands before any account"),
        ("account a\nhost a.example\npasword x", "msmtprc:3: pasword is no command"),
        ("account a\naccount a", "msmtprc:2: account a is already defined"),
        ("account a : b", "msmtprc:1: account b is not defined before this line"),
        ("account a\nhost a.example\ntls perhaps", 'msmtprc:3: "perhaps" is neither'),
        ("account a\nhost a b", 'msmtprc:2: "a b" for host is not a host name'),
        ("account a\nhost a.example\nport 99999", "msmtprc:3"),
        ("account a\nhost a.example\nauth on\nuser x\npassword \0", "msmtprc:5"),
    ],
)
def test_what_cannot_be_read_names_its_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)

    with pytest.raises(Unreadable) as caught:
        imported(file)

    assert words in str(caught.value)


def test_what_is_not_utf8_names_its_line(file: Path) -> None:
    file.write_bytes(b"account a\nhost \xff\n")

    with pytest.raises(Unreadable, match="msmtprc:2: is not UTF-8"):
        imported(file)
