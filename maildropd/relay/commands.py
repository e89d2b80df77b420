# SPDX-License-Identifier: Apache-2.0
"""MAIL and RCPT as octets, and which recipients cannot be named at all.

An address comes from a submitter.  Whatever could end its line or its angle
brackets, and so become a command or a parameter, is refused here again; a
wish of his that does so is left out.
"""

import re
from collections.abc import Collection

from maildropd.mail.envelope import Terms
from maildropd.mail.reply import Reply
from maildropd.mail.verp import is_delimiters
from maildropd.relay.form.letter import Letter

# Quoted strings, and single characters that mean nothing (RFC 5321 4.1.2).
_ADDRESS = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[^\x00-\x1f\x7f\ud800-\udfff])*"'
    r'|[^"<>\x00-\x20\x7f\ud800-\udfff])+'
)
_VALUE = re.compile(r"[\x21-\x3c\x3e-\x7e]+")  # RFC 5321 4.1.2, esmtp-value
_BAD_RECIPIENT = Reply(553, "5.1.3", "address cannot be said in SMTP")
_BAD_SENDER = Reply(553, "5.1.7", "sender address cannot be said in SMTP")
_NOT_ASCII = Reply(553, "5.6.7", "address is not ASCII, and the server lacks SMTPUTF8")


def unspeakable(address: str, offered: Collection[str]) -> Reply | None:
    """Return why a recipient cannot be named to this server, or None."""
    if not _ADDRESS.fullmatch(address):
        return _BAD_RECIPIENT
    if not address.isascii() and "smtputf8" not in offered:
        return _NOT_ASCII
    return None


def unspeakable_sender(
    reverse_path: str | None, offered: Collection[str]
) -> Reply | None:
    """Return why the sender cannot be named to this server, or None."""
    why = unspeakable(reverse_path, offered) if reverse_path else None
    return _BAD_SENDER if why is _BAD_RECIPIENT else why


def mail(
    letter: Letter, recipients: Collection[str], offered: Collection[str]
) -> bytes:
    """Return the MAIL command, with what the server offers and the mail needs."""
    envelope = letter.delivery.envelope
    path = envelope.reverse_path or ""
    line = f"MAIL FROM:<{path}>"
    if "size" in offered:
        line += f" SIZE={letter.size}"
    if letter.eight_bit and "8bitmime" in offered:
        line += " BODY=8BITMIME"
    if not (path.isascii() and all(map(str.isascii, recipients))):
        line += " SMTPUTF8"
    if "dsn" in offered:
        line += _said("RET", envelope.ret) + _said("ENVID", envelope.envid)
    if "xverp" in offered and path and is_delimiters(envelope.verp):
        # Postfix's own form: "=" is in no other parameter's value.
        line += f" XVERP={envelope.verp}"
    return f"{line}\r\n".encode()


def rcpt(forward_path: str, terms: Terms, offered: Collection[str]) -> bytes:
    """Return the RCPT command, with what the sender wished for this recipient.

    Nothing is invented: where no ORCPT was given there is none, and the next
    host may make one of the address (RFC 3461 5.2.1).
    """
    line = f"RCPT TO:<{forward_path}>"
    if "dsn" in offered:
        line += _said("NOTIFY", terms.notify) + _said("ORCPT", terms.orcpt)
    return f"{line}\r\n".encode()


def _said(name: str, value: str) -> str:
    return f" {name}={value}" if _VALUE.fullmatch(value) else ""
