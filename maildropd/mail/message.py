# SPDX-License-Identifier: Apache-2.0
"""The header of a message, found in its octets.

Nothing is decoded and encoded again: what is not removed leaves exactly as it
came, with its line ends, its folds and its 8-bit octets.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from maildropd.mail.errors import Malformed

_END = re.compile(rb"\n\r?\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_EMPTY_HEADER = re.compile(rb"\r?\n")
# The first line of a field; the empty group is where its value begins.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:()[^\n]*\n?")
_MESSAGE_ID = re.compile(
    rb"^message-id[ \t]*:[ \t]*(?:\r?\n[ \t]+)?(<?[!-~]{1,996})",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE_ID_LIMIT = 250  # for the log
_FIELDS_LIMIT = 25_000  # a Bcc for each of ten thousand recipients, and some more


class Field(NamedTuple):
    """One header field: its octets are ``data[start:end]``.

    Its value is ``data[value:end]``, and is not copied: it may be megabytes.
    """

    name: str  # in lower case
    start: int
    value: int
    end: int


def header_end(data: bytes, start: int = 0) -> int | None:
    """Return where the header ends, its empty line included, or None."""
    found = _EMPTY_HEADER.match(data, start) or _END.search(data, start)
    return found.end() if found else None


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of a header; raise ``Malformed`` at a line that is none.

    Only an empty line ends a header.  To guess that it ended at a line which
    is no field would take a Bcc further down for text, and show it to all.
    """
    at, count = start, 0
    while at < end:
        found = _FIELD.match(data, at, end)
        if not found:
            if data[at:end].strip(b"\r\n") == b"":
                return  # the empty line
            number = data.count(b"\n", start, at) + 1
            raise Malformed(f"line {number} is no header field: {_shown(data, at)}")
        count += 1
        if count > _FIELDS_LIMIT:
            raise Malformed(f"it has more than {_FIELDS_LIMIT} header fields")
        stop = found.end()
        # Not by the expression above: for each of a million folds it would
        # remember a way back.
        while stop < end and data[stop] in b" \t":
            stop = _next_line(data, stop, end)
        yield Field(found[1].decode("ascii").lower(), at, found.start(2), stop)
        at = stop


def line_ends_made_plain(head: bytes) -> bytes:
    """Return a header in which a bare CR ends a line: on the wire it will."""
    return _BARE_CR.sub(b"\n", head) if b"\r" in head else head


def split(data: bytes, start: int = 0) -> int:
    """Return where the header ends, as sendmail(8) sees it; never raise.

    It ends with its empty line, or before the first line that is no field:
    what is not header is text, and no text is lost.
    """
    at = start
    while found := _FIELD.match(data, at):
        at = found.end()
        while data[at : at + 1] in (b" ", b"\t"):
            at = _next_line(data, at, len(data))
    empty = _EMPTY_HEADER.match(data, at)
    return empty.end() if empty else at


def without(
    data: bytes, start: int, header: Iterable[Field], names: Collection[str]
) -> tuple[bytes, ...]:
    """Return a message that begins at ``start``, in pieces, less some fields."""
    pieces: list[bytes] = []
    for field in header:
        if field.name in names:
            pieces.append(data[start : field.start])
            start = field.end
    pieces.append(data[start:])
    return tuple(piece for piece in pieces if piece)


def message_id(data: bytes, start: int = 0) -> str | None:
    """Return the Message-ID of a message, for the log; never raise."""
    end = header_end(data, start)
    found = _MESSAGE_ID.search(data, start, len(data) if end is None else end)
    return found[1].decode("ascii")[:_MESSAGE_ID_LIMIT] if found else None


def _next_line(data: bytes, at: int, end: int) -> int:
    found = data.find(b"\n", at, end)
    return end if found < 0 else found + 1


def _shown(data: bytes, at: int) -> str:
    line = data[at : at + 60].split(b"\n")[0].rstrip(b"\r")
    return repr(line.decode("ascii", "backslashreplace"))
