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
    StoreFull,
    StoreUnusable,
    TooLarge,
)
from maildropd.mail.message import line_ends_made_plain, split

IN_MEMORY = 256 * 1024  # of one message
_HEAD_LIMIT = 4 * 1024 * 1024
_PIECE = 256 * 1024


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


class Parcel:
    """One message as it comes; ``close`` it whatever becomes of it."""

    def __init__(self, allowance: Allowance, limit: int) -> None:
        """Begin with nothing; ``limit`` is the most octets it may have."""
        self._allowance = allowance
        self._limit = limit
        self._memory: list[bytes] = []
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
                self._memory.append(octets)
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
            whole = b"".join(self._memory)
            self._memory = [whole]
            return whole
        self._file.seek(0)
        return self._file.read(_HEAD_LIMIT)

    def after(self, start: int) -> Iterator[bytes]:
        """Yield what follows so many octets."""
        if self._file is None:
            rest = self.head()[start:]
            if rest:
                yield rest
            return
        self._file.seek(start)
        while piece := self._file.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Let go of everything."""
        self._allowance.give_back(self._held)
        self._held = 0
        self._memory = []
        if self._file is not None:
            self._file.close()

    def _moved_out(self) -> BinaryIO:
        try:
            folder = self._allowance.folder
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (close)
        except OSError as error:
            raise _translated(error) from error
        for piece in self._memory:
            self._put(file, piece)
        self._memory = []
        self._allowance.give_back(self._held)
        self._held = 0
        return file

    def _put(self, file: BinaryIO, octets: bytes) -> None:
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
