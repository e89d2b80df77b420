# SPDX-License-Identifier: Apache-2.0
"""A mail as zope.sendmail 7.3 and repoze.sendmail 4.5 write it, octet for octet.

What they let pass, we refuse: a line end in an address, which would begin a
line of its own, and a field of theirs in a message, which would be believed.
"""

from collections.abc import Callable, Sequence
from email.header import Header

from maildropd.edge.spool import repoze_sendmail, zope_sendmail
from maildropd.mail.errors import Malformed
from maildropd.mail.message import fields, header_end

Form = Callable[[str, Sequence[str], bytes], bytes]
"""Makes the content of a file of sender, recipients and message."""

_WIDTH = 78  # of a folded line
_LINE_ENDS = frozenset("\r\n\0")


def zope(sender: str, recipients: Sequence[str], message: bytes) -> bytes:
    """Return a file of zope.sendmail; raise ``ValueError``."""
    _check(sender, recipients)
    octets = b"%b %b\n%b %b\n%b" % (
        *(zope_sendmail.FROM, sender.encode()),
        *(zope_sendmail.TO, ", ".join(recipients).encode()),
        message,
    )
    if not message:
        raise ValueError("the message is empty")
    if repoze_sendmail.is_form(octets):
        raise ValueError("the message has an X-Actually field, a second envelope")
    return octets


def repoze(sender: str, recipients: Sequence[str], message: bytes) -> bytes:
    """Return a file of repoze.sendmail; raise ``ValueError``."""
    _check(sender, recipients)
    if zope_sendmail.is_form(message):
        raise ValueError("the message begins with an X-Zope field, a second envelope")
    at = _place(message)
    lines = b"".join(
        (
            _field("X-Actually-From", sender),
            _field("X-Actually-To", ",".join(recipients)),
        )
    )
    return message[:at] + lines + message[at:]


def _field(name: str, value: str) -> bytes:
    """Fold as the email package does; it takes no account of the name."""
    text = Header(value, "utf-8").encode(linesep="\n", maxlinelen=_WIDTH)
    return f"{name}: {text}\n".encode("ascii")


def _place(message: bytes) -> int:
    """Return where the last field of the header ends.

    A message that is only header, and has no end, gets them before its first.
    """
    end = header_end(message)
    try:
        last = 0
        for field in fields(message, 0, len(message) if end is None else end):
            if field.name in repoze_sendmail.OURS:
                raise ValueError(f"the message has the field {field.name} already")
            last = field.end
    except Malformed as error:
        raise ValueError(f"no message: {error}") from error
    return 0 if end is None else last


def _check(sender: str, recipients: Sequence[str]) -> None:
    if not recipients:
        raise ValueError("a mail needs a recipient")
    for address in (sender, *recipients):
        if _LINE_ENDS & set(address):
            raise ValueError(f"a line end or NUL in the address {address!r}")
