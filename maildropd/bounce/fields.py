# SPDX-License-Identifier: Apache-2.0
"""Words of others as values of header fields: they cannot become fields.

An address, a reply, an envelope id: strangers write them.  What is not
printable is escaped, so no value has a line end but the folds made here.
"""

import re
from datetime import datetime
from email.utils import format_datetime

from maildropd.mail.envelope import QueueId

_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,248}>")
_FOLD = 76
_WORD = 400  # characters; up to four octets each, of 998 in a line


def visible(text: str) -> str:
    """Escape whatever is not to be seen, or turns a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def in_ascii(text: str) -> str:
    """Escape as well what is not ASCII, as RFC 6533 section 3 does."""
    text = visible(text)
    if text.isascii():
        return text
    return "".join(c if c.isascii() else f"\\x{{{ord(c):02X}}}" for c in text)


def from_xtext(text: str) -> str:
    """Decode what was said in an SMTP parameter (RFC 3461 section 4)."""
    octets = _XTEXT.sub(lambda found: bytes.fromhex(found[1].decode()), _octets(text))
    return visible(octets.decode("utf-8", "replace"))


def original_recipient(orcpt: str, *, in_utf8: bool) -> str:
    """Return an ORCPT as the field of a report has it."""
    kind, _, address = orcpt.partition(";")
    address = from_xtext(address)
    if in_utf8 and kind.lower() == "utf-8":
        address = _EMBEDDED.sub(_character, address)
    return f"{in_ascii(kind)}; {visible(address) if in_utf8 else in_ascii(address)}"


def typed(address: str, *, in_utf8: bool) -> str:
    """Return an address with its type (RFC 3464 2.3.2, RFC 6533 section 3)."""
    if address.isascii():
        return f"rfc822; {visible(address)}"
    return f"utf-8; {visible(address) if in_utf8 else in_ascii(address)}"


def field(name: str, value: str) -> str:
    """Return a field with its line end, folded between words.

    A word that no line could hold is broken.
    """
    lines, line = list[str](), f"{name}:"
    for word in value.split():
        for at in range(0, len(word), _WORD):
            part = word[at : at + _WORD]
            if len(line) + len(part) >= _FOLD and line != f"{name}:":
                lines.append(line)
                line = ""
            line += f" {part}"
    return "\n".join([*lines, line]) + "\n"


def date(at: datetime) -> str:
    """Return a time as mail has it."""
    return format_datetime(at)


def message_id(queue_id: QueueId, host: str) -> str:
    """Return the Message-ID of a report of ours."""
    return f"<{queue_id}.report@{host}>"


def referred(text: str | None) -> str:
    """Return the Message-ID of a message if it can be named in another; or ""."""
    return text if text and _MESSAGE_ID.fullmatch(text) else ""


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    valid = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    return chr(number) if valid else found[0]
