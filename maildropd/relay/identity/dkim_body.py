# SPDX-License-Identifier: Apache-2.0
"""A message as DKIM sees it (RFC 6376 3.4), in pieces: it may be large.

Whatever came, lines end in CR LF here, as on the wire; dots are not doubled
yet.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

_BLANKS = re.compile(rb"[ \t]+")
_HEADER = re.compile(rb"\A\r\n|\r\n\r\n")
_HEADER_LIMIT = 8 * 1024 * 1024  # octets; nobody could verify a larger one
_EMPTY = b" \t\r\n"
_MANY = 1024  # line ends that are written at once


class NoHeader(Exception):
    """The header has no end that is worth looking for."""


def wire_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield octets with each line end made CR LF, the last one added if missing."""
    held, last = b"", b""
    for block in filter(None, blocks):
        octets, held = held + block, b""
        if octets.endswith(b"\r"):  # its LF may be the next block's first octet
            octets, held = octets[:-1], b"\r"
        plain = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if plain:
            last = plain[-1:]
            yield plain.replace(b"\n", b"\r\n")
    if held or last not in (b"", b"\n"):
        yield b"\r\n"


def apart(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the header without its empty line, and the body's blocks."""
    source, begun = iter(blocks), b""
    for block in source:
        searched = max(len(begun) - 3, 0)  # of a line end and an empty line
        begun += block
        if found := _HEADER.search(begun, searched):
            at = found.end()
            return begun[: at - 2], _followed(begun[at:], source)
        if len(begun) > _HEADER_LIMIT:
            raise NoHeader
    return begun, iter(())


def _followed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def relaxed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body in the relaxed form: blanks made one, or none at a line's end.

    Empty lines at the end go, however many: they are counted, not kept.
    """
    breaks, blank, begun = 0, False, False
    for block in blocks:
        at = len(block.rstrip(_EMPTY))
        inner, run = block[:at], block[at:]
        if inner:
            lead = len(inner) - len(inner.lstrip(_EMPTY))
            more, tail = _run(inner[:lead], blank=blank)
            yield from _line_ends(breaks + more)
            text = _BLANKS.sub(b" ", inner[lead:]).replace(b" \r\n", b"\r\n")
            yield b" " + text if tail else text
            breaks, blank, begun = 0, False, True
        more, blank = _run(run, blank=blank)
        breaks += more
    if begun:
        yield b"\r\n"


def body_hash(blocks: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of a body in the relaxed form."""
    found = hashlib.sha256()
    for block in relaxed(blocks):
        found.update(block)
    return found.digest()


def _run(octets: bytes, *, blank: bool) -> tuple[int, bool]:
    """Return how many lines end in blanks and line ends, and whether blanks follow."""
    breaks = octets.count(b"\n")
    if not octets:
        return 0, blank
    if not breaks:
        return 0, True
    return breaks, not octets.endswith(b"\n")


def _line_ends(number: int) -> Iterator[bytes]:
    while number > 0:
        yield b"\r\n" * min(number, _MANY)
        number -= _MANY
