# SPDX-License-Identifier: Apache-2.0
"""What a client carries, taken apart as it comes (docs/SUBMISSION.md).

A frame ends with its own mark.  What ends before it is no message: its client
was killed, and nobody knows what was still to come.  In a file, another frame
may follow.
"""

import re
from collections.abc import Sequence

from maildropd.mail.errors import Malformed

MAGIC = b"#!sendmail\0"
_HEAD_LIMIT = 2 * 1024 * 1024 + 64  # the kernel's for arguments, by default
_WORDS_LIMIT = 100_000
_BEGINNING = re.compile(rb"#!sendmail\0([0-9a-f]{32})\0([0-9]{1,6})\0")
_BEGINNING_LIMIT = 51
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,11})\n")
_LENGTH_LIMIT = 13


class Frame:
    """One frame, fed in pieces that may be cut anywhere."""

    def __init__(self, *, alone: bool = True) -> None:
        """Know nothing yet; behind one that is not alone, something may follow."""
        self._alone = alone
        self.key = ""
        self.words: Sequence[str] | None = None  # once all of them are here
        self.ended = False
        self._held = bytearray()
        self._number = 0
        self._missing = -1  # ends of arguments, once their number is known
        self._left = 0  # octets of the present chunk

    def feed(self, octets: bytes) -> bytes:
        """Return the octets of the message that are in these; raise ``Malformed``."""
        if self.words is not None and not self._held and len(octets) <= self._left:
            self._left -= len(octets)
            return octets
        known = len(self._held)
        self._held += octets
        if self.words is None and not self._take_head(known):
            return b""
        found = bytearray()
        while not self.ended and self._held:
            if self._left:
                piece = self._held[: self._left]
                self._left -= len(piece)
                del self._held[: len(piece)]
                found += piece
            elif not self._take_length():
                break
        if self.ended and self._held and self._alone:
            raise Malformed("there is something behind the end of the frame")
        return bytes(found)

    @property
    def rest(self) -> bytes:
        """What stands behind the end: in a file, the next frame."""
        return bytes(self._held) if self.ended else b""

    def _take_head(self, known: int) -> bool:
        """Look at what has come since; all of it anew would take for ever."""
        if self._missing < 0:
            if not self._take_beginning():
                return False
            known = 0
        self._missing -= self._held.count(0, known)
        if self._missing > 0:
            if len(self._held) > _HEAD_LIMIT:
                raise Malformed(f"the arguments have more than {_HEAD_LIMIT} octets")
            return False
        words = bytes(self._held).split(b"\0", self._number)
        self._held = bytearray(words.pop())
        self.words = [word.decode("utf-8", "surrogateescape") for word in words]
        return True

    def _take_beginning(self) -> bool:
        found = _BEGINNING.match(self._held)
        if not found:
            if not MAGIC.startswith(self._held[: len(MAGIC)]):
                raise Malformed("this is no frame of sendmail")
            if len(self._held) >= _BEGINNING_LIMIT or self._held.count(0) > 2:
                raise Malformed("the frame has no key, or no number of arguments")
            return False
        self.key = found[1].decode("ascii")
        self._missing = self._number = int(found[2])
        if self._number > _WORDS_LIMIT:
            raise Malformed(f"there are more than {_WORDS_LIMIT} arguments")
        del self._held[: found.end()]
        return True

    def _take_length(self) -> bool:
        found = _LENGTH.match(self._held)
        if not found:
            if len(self._held) >= _LENGTH_LIMIT or b"\n" in self._held:
                raise Malformed("the frame has a chunk without a length")
            return False
        self._left = int(found[1])  # before the octets go
        del self._held[: found.end()]
        self.ended = self._left == 0
        return True


class LoneDot:
    """Ends a message at a dot in a line of its own, unless that is only text."""

    def __init__(self, *, ends: bool) -> None:
        """With ``ends`` false, everything passes."""
        self._ends = ends
        self._held = b""
        self._fresh = True  # what is held, or comes next, begins a line
        self.ended = False

    def feed(self, octets: bytes) -> bytes:
        """Return what is message for certain."""
        if not self._ends or not octets:
            return octets
        data = self._held + octets
        start = 0 if self._fresh else data.find(b"\n") + 1 or len(data)
        found = _DOT.search(data, start)
        if found:
            self.ended = True
            return data[: found.start()]
        line = data.rfind(b"\n") + 1
        is_whole = line > 0 or self._fresh
        self._held = data[line:] if is_whole and data[line:] in (b".", b".\r") else b""
        rest = data[: len(data) - len(self._held)]
        if rest:
            self._fresh = rest.endswith(b"\n")
        return rest


_DOT = re.compile(rb"(?m)^\.\r?\n")
