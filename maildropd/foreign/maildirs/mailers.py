# SPDX-License-Identifier: Apache-2.0
"""The mailers of zope.sendmail, repoze.sendmail and gs.email, for who calls them.

They send at once, with what that means: a server that is away is an error.
Where they were told to use TLS, the certificate is worth something; a password
goes in clear only to this host, or where TLS was forbidden.
"""

import ssl as tls
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from smtplib import SMTP, SMTP_SSL, SMTPException, SMTPRecipientsRefused
from threading import local
from typing import Any

from maildropd.foreign.maildirs.messages import Content, octets
from maildropd.mail import verp

Refused = Mapping[str, tuple[int, bytes]]
"""Recipients that were refused while others were not."""

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class _Kept(local):
    """What a vote has opened for the send of the same thread."""

    connection: SMTP | None = None


@dataclass
class SMTPMailer:
    """Speaks to one server; the order of the fields is that of both originals."""

    hostname: str = "localhost"
    port: int | str = 25
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    no_tls: bool = False
    force_tls: bool = False
    implicit_tls: bool = False
    timeout: float | None = 10
    _: KW_ONLY
    ssl: bool = False  # repoze.sendmail's name of implicit_tls
    debug_smtp: bool = False
    context: tls.SSLContext | None = None

    def __post_init__(self) -> None:
        """Have no connection."""
        self._kept = _Kept()

    def vote(self, fromaddr: str, toaddrs: Sequence[str], message: Content) -> None:
        """Connect and be greeted; raise ``OSError`` or ``SMTPException``."""
        del fromaddr, toaddrs, message
        self.abort()
        options: dict[str, Any] = {}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.implicit_tls or self.ssl:
            context = self.context or tls.create_default_context()
            options["context"] = context
        kind = SMTP_SSL if "context" in options else SMTP
        connection = kind(self.hostname, int(self.port), **options)
        self._kept.connection = connection
        connection.set_debuglevel(int(self.debug_smtp))
        connection.ehlo_or_helo_if_needed()

    def send(self, fromaddr: str, toaddrs: Sequence[str], message: Content) -> Refused:
        """Send one mail; return who was refused, raise if that was everybody."""
        if self._kept.connection is None:
            self.vote(fromaddr, toaddrs, message)
        connection = self._kept.connection
        assert connection is not None
        try:
            self._encrypt(connection)
            self._log_in(connection)
            return self._hand_over(connection, fromaddr, toaddrs, octets(message))
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up, if there is a connection; never raise."""
        connection, self._kept.connection = self._kept.connection, None
        if connection is not None:
            with suppress(SMTPException, OSError):
                connection.quit()
            connection.close()

    def _hand_over(
        self, connection: SMTP, sender: str, recipients: Sequence[str], message: bytes
    ) -> Refused:
        return connection.sendmail(sender, list(recipients), message)

    def _encrypt(self, connection: SMTP) -> None:
        if self.implicit_tls or self.ssl:
            return
        is_offered = connection.has_extn("starttls")
        if self.force_tls and not is_offered:
            raise RuntimeError("TLS is not available but TLS is required")
        if is_offered and (self.force_tls or not self.no_tls):
            connection.starttls(context=self.context or _context(check=self.force_tls))
            connection.ehlo()

    def _log_in(self, connection: SMTP) -> None:
        if not self.username:
            return
        if not connection.does_esmtp:
            raise RuntimeError(
                "Mailhost does not support ESMTP but a username is configured"
            )
        if self.password is None:
            return
        is_clear = not isinstance(connection.sock, tls.SSLSocket)
        if is_clear and not (self.no_tls or self.hostname in _HERE):
            raise RuntimeError("the password would go over the network in clear")
        connection.login(self.username, self.password)


class XVERPSMTPMailer(SMTPMailer):
    """Gives each recipient a return address of his own; the server does, if it can."""

    def _hand_over(
        self, connection: SMTP, sender: str, recipients: Sequence[str], message: bytes
    ) -> Refused:
        if not sender or connection.has_extn("xverp"):
            options = ["XVERP"] if sender else []
            return connection.sendmail(sender, list(recipients), message, options)
        refused: dict[str, tuple[int, bytes]] = {}
        for recipient in recipients:
            refused |= _alone(connection, sender, recipient, message)
        if len(refused) == len(recipients):
            raise SMTPRecipientsRefused(refused)
        return refused


def _alone(connection: SMTP, sender: str, recipient: str, message: bytes) -> Refused:
    own = verp.encode(sender, recipient, verp.DELIMITERS)
    try:
        return connection.sendmail(own, [recipient], message)
    except SMTPRecipientsRefused as error:
        found: Refused = error.recipients
        return found


def _context(*, check: bool) -> tls.SSLContext:
    """Make one that verifies, or one that only keeps listeners off."""
    context = tls.create_default_context()
    if not check:
        context.check_hostname = False
        context.verify_mode = tls.CERT_NONE
    return context
