# SPDX-License-Identifier: Apache-2.0
"""A message's content as SMTP carries it: where it ends, and which dots to drop.

Only CR LF . CR LF is the end (RFC 5321 4.1.1.4).  Whoever takes a bare LF or CR
for one lets a client smuggle a second message into the first.
"""

import re

_SIZE = re.compile(r"[0-9]{1,18}")
_END = b"\r\n.\r\n"
_LINE_END = b"\r\n"


class Contents:
    """One content, fed in pieces that may be cut anywhere."""

    def __init__(self) -> None:
        """Begin as if an empty line were before it."""
        self._held = _LINE_END
        self._skip = len(_LINE_END)
        self.rest: bytes | None = None  # what follows the end, once that is found

    def feed(self, octets: bytes) -> bytes:
        """Return what is content for certain; the last few octets may wait."""
        data = self._held + octets
        end = data.find(_END)
        cut = end + len(_LINE_END) if end >= 0 else _safe_cut(data)
        if end >= 0:
            self.rest = data[end + len(_END) :]
        if cut < self._skip:
            self._held = data
            return b""
        piece = data[:cut].replace(b"\r\n.", b"\r\n")[self._skip :]
        self._skip, self._held = 0, data[cut:]
        return piece


class Counted:
    """One content of so many octets, which has no end of its own."""

    def __init__(self, size: int) -> None:
        """Begin before the first of them."""
        self._left = size
        self.rest: bytes | None = None  # what follows the last, once that is found

    def feed(self, octets: bytes) -> bytes:
        """Return what is content."""
        piece = octets[: self._left]
        self._left -= len(piece)
        if not self._left:
            self.rest = octets[len(piece) :]
        return piece


def counted(argument: str, limit: int) -> Counted | None:
    """Return the content that XDATA speaks of; None if it says no size, or more."""
    size = int(argument) if _SIZE.fullmatch(argument) else -1
    return Counted(size) if 0 <= size <= limit else None


def _safe_cut(data: bytes) -> int:
    """Return how much of it cannot be the beginning of the end.

    Never between a line's end and the dot that may follow it.
    """
    cut = max(len(data) - len(_END) + 1, 0)
    if data[:cut].endswith(b"\r"):
        return cut - 1
    if data[:cut].endswith(_LINE_END):
        return cut - len(_LINE_END)
    return cut
