# SPDX-License-Identifier: Apache-2.0
"""Quoted-printable and base64, made of lines as they pass (RFC 2045 6.7, 6.8).

The line end before a boundary belongs to the boundary: each encoder is told,
at the end, whether one follows.  No line that is made can be a boundary: none
begins with two hyphens.
"""

import re
from binascii import b2a_base64, b2a_qp
from typing import Protocol

_ROOM = 75  # octets in a line, and a sign that it goes on
_ROW = 57  # octets that make a line of base64
_ROWS = 100 * _ROW
_SPECIAL = re.compile(rb"[^\t -<>-~]|[\t ]\Z")
_HYPHENS = re.compile(rb"^--", re.MULTILINE)
_BEYOND = re.compile(rb"[\x80-\xff]")
_BLANKS = b" \t\r\n"


class Encoder(Protocol):
    """Takes lines, or pieces of them, and returns what they become."""

    def feed(self, piece: bytes) -> bytes:
        """Return what goes out now."""
        ...

    def finish(self, *, bounded: bool) -> bytes:
        """Return the rest; a boundary follows, or the message ends."""
        ...


class QuotedPrintable:
    """Lines stay lines; what is not plain, and what is too long, is marked."""

    def feed(self, piece: bytes) -> bytes:
        """Encode it at once."""
        if not piece.endswith(b"\r\n"):
            return _broken(_SPECIAL.sub(_escaped, piece), ends=False)
        quick = b2a_qp(piece)
        if not _HYPHENS.search(quick):
            return quick
        return b"".join(map(_quoted, piece.splitlines(keepends=True)))

    def finish(self, *, bounded: bool) -> bytes:
        """Nothing is held: a line end means the same on either side."""
        del bounded
        return b""


class Requoted:
    """What is quoted-printable already, in shorter lines and without 8-bit octets."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held = b""  # of a line that goes on: what may be half of a sign

    def feed(self, piece: bytes) -> bytes:
        """Mend what needs it."""
        text, self._held = _BEYOND.sub(_escaped, self._held + piece), b""
        if text.endswith(b"\r\n"):
            lines = text.splitlines(keepends=True)
            return b"".join(_broken(line[:-2], ends=True) for line in lines)
        at = text.rfind(b"=", -2)
        if at >= 0:
            text, self._held = text[:at], text[at:]
        return _broken(text, ends=False)

    def finish(self, *, bounded: bool) -> bytes:
        """The last line had an end."""
        del bounded
        return b""


class Base64:
    """Octets with their line ends, as base64."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held = bytearray()
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """Encode whole rows; the line end that may be a boundary's is held."""
        self._held += piece
        if len(self._held) < _ROWS + 2:
            return b""
        whole = (len(self._held) - 2) // _ROW * _ROW
        octets = bytes(self._held[:whole])
        del self._held[:whole]
        self._begun = True
        return _rows(octets)

    def finish(self, *, bounded: bool) -> bytes:
        """Encode the rest."""
        rest = bytes(self._held)
        content = rest.removesuffix(b"\r\n") if bounded else rest
        return _rows(content) or (b"" if self._begun else rest)


class Rewrapped:
    """What is base64 already, in lines of the usual length."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Break it anew."""
        octets = self._held + piece.translate(None, _BLANKS)
        whole = len(octets) // 76 * 76
        self._held = octets[whole:]
        return b"".join(octets[at : at + 76] + b"\r\n" for at in range(0, whole, 76))

    def finish(self, *, bounded: bool) -> bytes:
        """Return the last line."""
        del bounded
        return self._held + b"\r\n" if self._held else b""


def _quoted(line: bytes) -> bytes:
    quick = b2a_qp(line)
    if not _HYPHENS.search(quick):
        return quick
    return _broken(_SPECIAL.sub(_escaped, line[:-2]), ends=True)


def _rows(octets: bytes) -> bytes:
    return b"".join(
        b2a_base64(octets[at : at + _ROW], newline=False) + b"\r\n"
        for at in range(0, len(octets), _ROW)
    )


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % found[0][0]


def _broken(text: bytes, *, ends: bool) -> bytes:
    """Break a line into several that go on, never within a sign of three octets."""
    pieces: list[bytes] = []
    while True:
        if text.startswith(b"--"):
            text = b"=2D" + text[1:]
        if len(text) <= _ROOM + ends:
            break
        end = _ROOM
        if (sign := text.rfind(b"=", end - 2, end)) >= 0:
            end = sign
        pieces.append(text[:end])
        text = text[end:]
    pieces.append(text)
    return b"=\r\n".join(pieces) + (b"\r\n" if ends else b"=\r\n")
