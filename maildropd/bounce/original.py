# SPDX-License-Identifier: Apache-2.0
"""What of the original goes back with a report: its octets, as they came.

Its header, or all of it where the sender asked for that and it is not large.
No more than that is ever read, whatever the size of the message.
"""

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from maildropd.mail.message import header_end

_HEADERS = "text/rfc822-headers"
_HEADER_LIMIT = 64 * 1024
_LINE_LIMIT = 998
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BARE_CR = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A body part: its type, how it is encoded, its octets, and what it is."""

    kind: str
    encoding: str  # "7bit", "8bit" or "quoted-printable"
    octets: bytes
    whole: bool  # False: only the header, or its beginning

    @property
    def eight_bit(self) -> bool:
        """Tell whether it needs a path for 8 bits."""
        return self.encoding == "8bit"


def excerpt(
    content: Iterable[bytes], whole_up_to: int = 0, *, in_utf8: bool = False
) -> Excerpt:
    """Return the header of a message, or all of it up to a size.

    What cannot stand in a message as it is, goes back as a header only.  The
    types of RFC 6533 are for readers that know them: no server can convert them.
    """
    octets, more = _beginning(content, max(whole_up_to, _HEADER_LIMIT))
    end = header_end(octets)
    cut, end = end is None and more, len(octets) if end is None else end
    if whole_up_to and not more and len(octets) <= whole_up_to and _is_tame(octets):
        other = "message/global" if in_utf8 else "message/rfc822"
        kind = _kind(octets[:end], "message/rfc822", other)
        encoding = "7bit" if octets.isascii() else "8bit"
        return Excerpt(kind=kind, encoding=encoding, octets=octets, whole=True)
    other = "message/global-headers" if in_utf8 else _HEADERS
    return _header(octets[:end], other, cut=cut)


def _beginning(content: Iterable[bytes], limit: int) -> tuple[bytes, bool]:
    """Return the first octets, and whether there are more."""
    found = bytearray()
    for piece in content:
        found += piece
        if len(found) > limit:
            return bytes(found[:limit]), True
    return bytes(found), False


def _header(octets: bytes, other: str, *, cut: bool) -> Excerpt:
    head = octets[:_HEADER_LIMIT]
    if cut or len(octets) > _HEADER_LIMIT:
        head = head[: head.rfind(b"\n") + 1] or head
    kind = _kind(head, _HEADERS, other)
    encoding = "7bit" if head.isascii() else "8bit"
    if not _is_tame(head):
        # RFC 6522 section 4 allows it for broken headers; each octet stays.
        kind, encoding = _HEADERS, "quoted-printable"
        head = quoted_printable(head)
    return Excerpt(kind=kind, encoding=encoding, octets=head, whole=False)


def quoted_printable(octets: bytes) -> bytes:
    """Encode so that no line is long, and no octet can be taken for a line end."""
    lines = octets.replace(b"\r\n", b"\n").split(b"\n")
    return b"\n".join(binascii.b2a_qp(line, istext=False) for line in lines)


def _is_tame(octets: bytes) -> bool:
    """Tell whether mail can carry it without an encoding (RFC 2045 2.8)."""
    if b"\0" in octets or _BARE_CR.search(octets):
        return False
    return max(map(len, _LINE_END.split(octets))) <= _LINE_LIMIT


def _kind(header: bytes, usual: str, in_utf8: str) -> str:
    if header.isascii():
        return usual
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return usual
    return in_utf8
