# SPDX-License-Identifier: Apache-2.0
"""Octets of a message on their way in: in memory while they are few, else on disk.

All sessions share one allowance of memory.  Whoever would go beyond it, or is
large, goes into a file without a name, which no crash can leave behind.
"""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from maildropd.mail.errors import (
    MailError,
    Malformed,
    NotNow,
    StoreFull,
    StoreUnusable,
    TooLarge,
)
from maildropd.mail.message import line_ends_made_plain, split
from maildropd.mail.reply import Reply

IN_MEMORY = 256 * 1024  # of one message
_HEAD_LIMIT = 4 * 1024 * 1024
_PIECE = 256 * 1024
_FEW = 16 * 1024  # octets that one session may hold whatever others do
_LATER = Reply(452, "4.3.1", "too much is coming in at once, try again later")


class Allowance:
    """Memory for messages that are coming in, shared by all sessions."""

    def __init__(self, octets: int, folder: Path) -> None:
        """Allow so many octets; what is beyond goes to a file in ``folder``."""
        self._left = octets
        self.folder = folder

    def take(self, octets: int) -> bool:
        """Take some; False, and nothing taken, if there are not so many."""
        if octets > self._left:
            return False
        self._left -= octets
        return True

    def give_back(self, octets: int) -> None:
        """Give back what was taken."""
        self._left += octets


class Holding:
    """What one session holds beside its message; ``let_go`` of it at its end."""

    def __init__(self, allowance: Allowance, free: int = _FEW) -> None:
        """Count so many octets for nothing: small things are never refused."""
        self._allowance = allowance
        self._free = free
        self._held = 0

    def take(self, octets: int) -> None:
        """Hold more; raise ``NotNow`` if all sessions together hold too much."""
        if self._free >= octets:
            self._free -= octets
        elif self._allowance.take(octets):
            self._held += octets
        else:
            raise NotNow("too much is coming in at once, try again later", _LATER)

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._allowance.give_back(self._held)
        self._held = 0


class Parcel:
    """One message as it comes; ``close`` it whatever becomes of it."""

    def __init__(self, allowance: Allowance, limit: int) -> None:
        """Begin with nothing; ``limit`` is the most octets it may have."""
        self._allowance = allowance
        self._limit = limit
        self._memory = bytearray()  # a list of small pieces takes many times more
        self._held = 0
        self._file: BinaryIO | None = None
        self.size = 0

    def write(self, octets: bytes) -> None:
        """Add octets; raise ``TooLarge`` or ``StoreFull``."""
        self.size += len(octets)
        if self.size > self._limit:
            raise TooLarge(f"larger than {self._limit} octets (message_size_limit)")
        if self._file is None:
            fits = self._held + len(octets) <= IN_MEMORY
            if fits and self._allowance.take(len(octets)):
                self._held += len(octets)
                self._memory += octets
                return
            self._file = self._moved_out()
        self._put(self._file, octets)

    @property
    def is_small(self) -> bool:
        """Tell whether reading it costs no look at the disk."""
        return self._file is None

    def head(self) -> bytes:
        """Return its beginning: all of it, or as much as a header may have."""
        if self._file is None:
            return bytes(self._memory)
        self._file.seek(0)
        return self._file.read(_HEAD_LIMIT)

    def after(self, start: int) -> Iterator[bytes]:
        """Yield what follows so many octets."""
        if self._file is None:
            if rest := bytes(self._memory[start:]):
                yield rest
            return
        self._file.seek(start)
        while piece := self._file.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Let go of everything."""
        self._allowance.give_back(self._held)
        self._held = 0
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()

    def _moved_out(self) -> BinaryIO:
        try:
            folder = self._allowance.folder
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (close)
        except OSError as error:
            raise _translated(error) from error
        self._put(file, self._memory)
        self._memory = bytearray()
        self._allowance.give_back(self._held)
        self._held = 0
        return file

    def _put(self, file: BinaryIO, octets: bytes | bytearray) -> None:
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[os.write(file.fileno(), rest) :]
        except OSError as error:
            raise _translated(error) from error


def header_of(
    parcel: Parcel, before: re.Pattern[bytes] | None = None
) -> tuple[bytes, int]:
    """Return the beginning of a message, and where its header ends in it.

    What ``before`` matches may stand before the header.  A bare CR in a header
    ends a line, since on the wire it will.  Raise ``Malformed`` for a header
    without end: what is in it, nobody has seen.
    """
    head = line_ends_made_plain(parcel.head())
    found = before.match(head) if before else None
    end = split(head, found.end() if found else 0)
    if end == len(head) and end < parcel.size:
        raise Malformed(f"the header is larger than {_HEAD_LIMIT} octets")
    return head, end


def _translated(error: OSError) -> MailError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("no room for another message")
    return StoreUnusable(f"cannot keep the message ({error.strerror or error})")
