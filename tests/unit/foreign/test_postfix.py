# SPDX-License-Identifier: Apache-2.0
"""What the main.cf of a null client means here."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.relay import Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.postfix import imported
from tests.unit.foreign.reading import Ours, ours

Read = Callable[..., Ours]

NULL_CLIENT = """\
# as Debian has it for a "Satellite system"
compatibility_level = 3.6
myhostname = h1.example.org
mydomain = example.org
myorigin = ${mydomain}
mydestination = $myhostname,
    localhost.$mydomain
  # a comment within
    , localhost
relayhost = [smtp.example.net]:submission
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8
smtp_tls_security_level = encrypt
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "main.cf"


@pytest.fixture
def read(file: Path) -> Read:
    def read(text: str) -> Ours:
        file.write_text(text)
        return ours(imported, file)

    return read


def test_a_null_client_keeps_its_relay_and_its_names(read: Read) -> None:
    found = read(NULL_CLIENT)

    relay, names = found.config.relay, found.config.names
    assert (relay.host, relay.port, relay.tls) == (
        *("smtp.example.net", 587),
        Tls.REQUIRED,
    )
    assert names.domain == "example.org"
    assert names.local_names == ("h1.example.org", "localhost.example.org")
    assert found.config.daemon.hostname == "h1.example.org"


@pytest.mark.parametrize("key", ["[smtp.example.net]:587", "smtp.example.net"])
def test_the_password_is_looked_up_by_the_relayhost(
    read: Read, tmp_path: Path, key: str
) -> None:
    table = tmp_path / "sasl_passwd"
    table.write_text(f'# who\nother.example\teve:no\n{key}\tbob@example.org:p:a "s\n')

    found = read(
        "relayhost = [smtp.example.net]:587\nsmtp_sasl_auth_enable = yes\n"
        f"smtp_sasl_password_maps = hash:{table}\nsmtp_tls_security_level = secure\n"
    )

    assert found.config.relay.username == "bob@example.org"
    assert found.imported.secrets == {"postfix": b'p:a "s'}
    assert found.remarked == ["inet_interfaces"]


@pytest.mark.parametrize(
    ("lines", "tls", "verify"),
    [
        ("", Tls.NONE, True),
        ("smtp_tls_security_level = may", Tls.OPPORTUNISTIC, False),
        ("smtp_use_tls = yes", Tls.OPPORTUNISTIC, False),
        ("smtp_tls_security_level = encrypt", Tls.REQUIRED, True),
        ("smtp_tls_security_level = verify", Tls.REQUIRED, True),
        (
            "smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes",
            *(Tls.IMPLICIT, True),
        ),
    ],
)
def test_tls_is_as_strict_as_it_was(
    read: Read, lines: str, tls: Tls, *, verify: bool
) -> None:
    relay = read(f"relayhost = [smtp.example.net]\n{lines}\n").config.relay

    assert (relay.tls, relay.tls_verify) == (tls, verify)


def test_fingerprints_of_sha256_are_kept(read: Read) -> None:
    prints = ":".join(["AB"] * 32)

    relay = read(
        "relayhost = [smtp.example.net]\nsmtp_tls_security_level = fingerprint\n"
        f"smtp_tls_fingerprint_digest = sha256\n"
        f"smtp_tls_fingerprint_cert_match = {prints}\n"
    ).config.relay

    assert relay.tls_fingerprint == (f"sha256:{prints}",)


def test_without_a_relayhost_dns_says_who_takes_the_mail(read: Read) -> None:
    (route,) = read("relayhost =\n").config.routes

    assert (route.recipient, route.mx) == (("*",), "smarthost")


def test_times_and_sizes_have_the_units_of_postfix(read: Read) -> None:
    queue = read(
        "maximal_queue_lifetime = 3\ndelay_warning_time = 6\n"
        "minimal_backoff_time = 600\nmaximal_backoff_time = 2h\n"
        "message_size_limit = 10240000\nsmtp_destination_concurrency_limit = 2\n"
    ).config.queue

    assert queue.give_up_after == timedelta(days=3)
    assert queue.delay_warning == timedelta(hours=6)
    assert queue.first_retry == timedelta(minutes=10)
    assert queue.slowest_retry == timedelta(hours=2)
    assert queue.message_size_limit == 10_240_000


def test_aliases_and_masquerading_are_kept(read: Read) -> None:
    names = read(
        "alias_maps = hash:/etc/mail/aliases, nis:mail.aliases\n"
        "masquerade_domains = example.org\n"
    ).config.names

    assert str(names.aliases) == "/etc/mail/aliases"
    assert names.rewrite_from == "@example.org"


@pytest.mark.parametrize(
    "name",
    [
        *("transport_maps", "smtpd_banner", "mynetworks", "biff", "queue_run_delay"),
        *("virtual_alias_domains", "something_new", "smtp_bind_address"),
    ],
)
def test_every_other_parameter_is_remarked_on(read: Read, name: str) -> None:
    found = read(f"inet_interfaces = localhost\nsmtp_tls_CAfile =\n{name} = x\n")

    assert name in found.remarked


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  relayhost = x", "main.cf:1: goes on with a line that is not there"),
        ("relayhost x", "main.cf:1: is not of the form"),
        ("a = $b\nb = $a", "main.cf:1: a parameter is made of itself"),
        ("relayhost = [x]:y:z", 'main.cf:1: "[x]:y:z" is no host'),
        ("smtp_tls_security_level = high", 'main.cf:1: "high" is no level'),
        ("delay_warning_time = soon", 'main.cf:1: "soon" is no time'),
        (
            "relayhost=a\nsmtp_sasl_auth_enable=yes\nsmtp_sasl_password_maps=ldap:x",
            "main.cf:3: ldap:x cannot be read",
        ),
    ],
)
def test_what_cannot_be_read_names_its_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)

    with pytest.raises(Unreadable) as caught:
        imported(file)

    assert words in str(caught.value)
