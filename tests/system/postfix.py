# SPDX-License-Identifier: Apache-2.0
"""A real Postfix as the smarthost: STARTTLS on 25, 2525, 587, TLS on 465, AUTH.

It delivers all for example.test and drop.test into one Maildir, where each
copy shows its envelope, the way it came, and the content as it was sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.system.machine import Machine, until

PACKAGES = ("libsasl2-modules", "postfix", "sasl2-bin")
USER, PASSWORD = "drop", "s3cret #of 'theirs'"
REFUSED = "refused@example.test"
LATER = "later@example.test"
_BOX = "/var/mail/drop"
_TRACE = re.compile(
    rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\n(?:[ \t].*\n)*)*"
)
_SETTINGS = (
    "compatibility_level=3.6",
    "myhostname=smarthost.test",
    "mydestination=",
    "mynetworks=127.0.0.0/8 10.9.0.0/24",
    "inet_protocols=ipv4",
    "smtpd_peername_lookup=no",
    "smtpd_sasl_authenticated_header=yes",
    "smtpd_recipient_restrictions=check_recipient_access inline:{"
    f" {{{REFUSED}=550 5.1.1 no such user here}},"
    f" {{{LATER}=451 4.2.0 come again}} " + "}",
    "smtpd_tls_security_level=may",
    "smtpd_tls_auth_only=yes",
    "smtpd_tls_cert_file=/etc/postfix/tls/smarthost.pem",
    "smtpd_tls_key_file=/etc/postfix/tls/smarthost.key",
    "message_size_limit=52428800",
    "mailbox_size_limit=0",
    "virtual_mailbox_limit=0",
    "virtual_mailbox_domains=example.test, drop.test",
    f"virtual_mailbox_base={_BOX}",
    "virtual_mailbox_maps=static:all/",
    "virtual_uid_maps=static:1000",
    "virtual_gid_maps=static:1000",
    # What came from a client is not to be completed or rewritten.
    "local_header_rewrite_clients=",
)
_SUBMISSION = (
    "smtpd_sasl_auth_enable=yes",
    "smtpd_client_restrictions=permit_sasl_authenticated,reject",
    "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
)
_SASL = """pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN CRAM-MD5
"""
_AUTHORITY = """
umask 077; mkdir -p /etc/postfix/tls; cd /etc/postfix/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj "/CN=a test's own authority" -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=smarthost.test -keyout smarthost.key -out smarthost.csr
echo subjectAltName=DNS:smarthost.test > names
openssl x509 -req -in smarthost.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
    -days 30 -extfile names -out smarthost.pem
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One copy of one message, for one recipient."""

    recipient: str
    sender: str  # empty for the null reverse-path
    trace: str  # what was put above the message on its way
    content: bytes  # as sent, with LF at line ends

    @classmethod
    def read(cls, raw: bytes) -> "Delivered":
        found = _TRACE.match(raw)
        trace = found[0].decode("ascii") if found else ""
        return cls(
            recipient=_line(trace, "X-Original-To") or _line(trace, "Delivered-To"),
            sender=_line(trace, "Return-Path").strip("<>"),
            trace=trace,
            content=raw[len(trace) :],
        )

    @property
    def body(self) -> bytes:
        return self.content.partition(b"\n\n")[2]

    def field(self, name: str) -> str:
        """Return a field of the header, unfolded; empty if there is none."""
        head = self.content.partition(b"\n\n")[0].decode("utf-8", "replace")
        lines = re.sub(r"\n[ \t]+", " ", head)
        found = re.findall(rf"^{name}: *(.*)$", lines, re.MULTILINE | re.IGNORECASE)
        assert len(found) < 2, f"{name} stands there more than once"
        return "".join(found)


class Postfix:
    """The smarthost's machine and its mailbox."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def start(self) -> None:
        """Boot, configure, and wait until it listens."""
        self.machine.push("/etc/postfix/sasl/smtpd.conf", _SASL)
        self.machine.boot()
        run = self.machine.run
        run("install", "-d", "-o", "1000", "-g", "1000", _BOX)
        run("sh", "-ec", _AUTHORITY)
        run("postconf", "-e", *_SETTINGS)
        run("postconf", "-F", "*/*/chroot=n")
        run("postconf", "-M", "2525/inet=2525 inet n - n - - smtpd")
        for port, tls in ("587", "security_level=encrypt"), ("465", "wrappermode=yes"):
            run("postconf", "-M", f"{port}/inet={port} inet n - n - - smtpd")
            options = [f"smtpd_tls_{tls}", *_SUBMISSION]
            run("postconf", "-P", *(f"{port}/inet/{option}" for option in options))
        run("saslpasswd2", "-c", "-p", "-u", "smarthost.test", USER, stdin=PASSWORD)
        run("chgrp", "postfix", "/etc/sasldb2")
        run("systemctl", "restart", "postfix@-")

    def up(self) -> None:
        """Listen again; nothing changes where it listens already."""
        self.machine.run("systemctl", "reset-failed")
        self.machine.run("systemctl", "start", "postfix@-")

    def down(self) -> None:
        """Stop listening, so that connections are refused."""
        self.machine.run("systemctl", "stop", "postfix@-")

    @property
    def authority(self) -> str:
        """The certificate of the authority that signed the smarthost's."""
        return self.machine.path("/etc/postfix/tls/ca.pem").read_text()

    def count(self) -> int:
        """Return how many copies have been delivered."""
        return sum(1 for _ in self._files())

    def mails(self) -> list[Delivered]:
        """Return every copy that was delivered."""
        return [Delivered.read(path.read_bytes()) for path in self._files()]

    def forget(self) -> None:
        """Empty the mailbox, and what is on its way there."""
        self.machine.run("postsuper", "-d", "ALL")
        # One may be on its way already, and would lie there as if it were new.
        until(lambda: not self.machine.run("postqueue", "-j"))
        for path in self._files():
            path.unlink()

    def _files(self) -> Iterator[Path]:
        return self.machine.path(f"{_BOX}/all/new").glob("*")


def _line(trace: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*)$", trace, re.MULTILINE)
    return found[1] if found else ""
