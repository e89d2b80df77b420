# SPDX-License-Identifier: Apache-2.0
"""The form of repoze.sendmail: the envelope in two fields of the header.

They may stand anywhere in it, folded and in encoded words (RFC 2047), and are
taken out.  The rest is sent as it is; a Bcc in it is its writer's will.
"""

import binascii
import re
from collections.abc import Sequence

from maildropd.edge.spool.draft import Draft, recipients
from maildropd.mail.address import addresses, parse_reverse_path
from maildropd.mail.errors import Malformed
from maildropd.mail.message import Field, fields, header_end, without

FROM, TO = "x-actually-from", "x-actually-to"
OURS = frozenset({FROM, TO})
_MARK = re.compile(rb"^x-actually-(?:from|to)[ \t]*:", re.IGNORECASE | re.MULTILINE)
_WORD = re.compile(rb"=\?([!->@-~]{1,60})\?([QqBb])\?([!->@-~]*)\?=")
_BETWEEN = re.compile(rb"(\?=)[ \t\r\n]+(?==\?)")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")


def is_form(head: bytes) -> bool:
    """Tell whether a header has one of the two fields."""
    end = header_end(head)
    return _MARK.search(head, 0, len(head) if end is None else end) is not None


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read a file of this form; raise ``Malformed`` where it is broken."""
    end = header_end(head)
    found = [
        field
        for field in fields(head, 0, len(head) if end is None else end)
        if field.name in OURS
    ]
    return Draft(
        reverse_path=parse_reverse_path(_value(head, found, FROM)),
        recipients=recipients(addresses(_value(head, found, TO)), recipient_limit),
        content=without(head, 0, found, OURS),
    )


def decoded(value: bytes) -> bytes:
    """Return a value in UTF-8, with its encoded words read; raise ``Malformed``."""
    plain = _BETWEEN.sub(rb"\1", _FOLD.sub(b"", value))
    text = _WORD.sub(_word, plain)
    if b"\r" in text or b"\n" in text or b"\0" in text:
        raise Malformed("a line end within an encoded address")
    return text


def _value(head: bytes, found: Sequence[Field], name: str) -> bytes:
    """Return what the last field of a name says; nothing if there is none.

    They are appended: what comes before is the message's own, and would let
    whoever wrote that choose whom it goes to.
    """
    for field in reversed(found):
        if field.name == name:
            return decoded(head[field.value : field.end].strip())
    return b""


def _word(found: re.Match[bytes]) -> bytes:
    charset, encoding, text = found.groups()
    try:
        if encoding in b"Bb":
            padded = text + b"=" * (-len(text) % 4)
            octets = binascii.a2b_base64(padded, strict_mode=True)
        else:
            octets = binascii.a2b_qp(text, header=True)
        name = charset.split(b"*")[0].decode("ascii")  # RFC 2231 5: a language
        return octets.decode(name).encode()
    except (ValueError, LookupError) as error:
        raise Malformed(
            f"an encoded word cannot be read: {_shown(found[0])}"
        ) from error


def _shown(word: bytes) -> str:
    return repr(word[:60].decode("ascii", "backslashreplace"))
