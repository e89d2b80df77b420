# SPDX-License-Identifier: Apache-2.0
"""Reading one file of the drop, whose writer may be hostile or not finished.

What changed while it was read was not read: there is a ``NotYet`` at the end
of it, and nothing of it is stored.
"""

import errno
import hashlib
import os
from collections.abc import Iterator

from maildropd.edge.spool.custom import Custom
from maildropd.edge.spool.draft import Draft
from maildropd.edge.spool.sight import Sight
from maildropd.mail.errors import MailError, Malformed, NotYet, TransientError

# Not blocking, so that a pipe which takes the name in between does not hold us.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
AT_ONCE = 256 * 1024  # a file up to this is read in one piece
_HEAD_LIMIT = 4 * 1024 * 1024
_CLOSED_TO_US = frozenset({errno.EACCES, errno.EPERM})
_ANOTHER = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO})
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})


class Unreadable(TransientError):
    """The kernel did not let us read the file, and may do so later."""


class OutOfResources(TransientError):
    """No file can be read now: descriptors or memory are short."""


class OpenFile:
    """A file while it is read, from its first octet to its last."""

    def __init__(self, directory: int, sight: Sight, custom: Custom) -> None:
        """Open what was seen; raise ``NotYet`` if it is another by now."""
        self._custom = custom
        self._directory = directory
        self._sight = sight
        self._done = 0
        self._head = b""
        try:
            self._descriptor = os.open(sight.name, _FLAGS, dir_fd=directory)
        except OSError as error:
            if custom.is_shared and error.errno in _CLOSED_TO_US:
                raise Unreadable(_closed(error)) from error
            raise _understood(error) from error
        try:
            self._check_unchanged()
        except NotYet:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def draft(self, recipient_limit: int) -> Draft:
        """Read the head, and the envelope from it.

        The first piece nearly always is the whole file.  If it is not even
        the whole head, a larger one is read in its place, not joined to it.
        """
        head, self._head = self._head or self._read(AT_ONCE), b""
        forms = self._custom.forms
        if self._done < self._size and not forms.is_complete(head):
            del head
            head = self._read_again(_HEAD_LIMIT)
            if self._done < self._size and not forms.is_complete(head):
                raise Malformed(f"its header is larger than {_HEAD_LIMIT} octets")
        return forms.read(head, recipient_limit)

    def begins_with(self, octets: bytes) -> bool:
        """Tell whether these are the first octets; what is read of them is kept."""
        self._head = self._read(AT_ONCE)
        return self._head.startswith(octets)

    def digest(self) -> str:
        """Return what is the same for the same octets; raise ``MailError``."""
        found, at = hashlib.sha256(), 0
        try:
            # No further: one that grows all the while has no end.
            while piece := os.pread(
                self._descriptor, min(AT_ONCE, self._size - at), at
            ):
                found.update(piece)
                at += len(piece)
        except OSError as error:
            raise _understood(error) from error
        return found.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """Yield what is left to read; raise ``NotYet`` at its end if not all."""
        while self._done < self._size:
            yield self._read(AT_ONCE)
        self._check_settled()

    def rewind(self) -> None:
        """Begin to read anew."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._done, self._head = 0, b""

    @property
    def sight(self) -> Sight:
        """What it is."""
        return self._sight

    @property
    def size(self) -> int:
        """How many octets it has."""
        return self._size

    @property
    def _size(self) -> int:
        return self._sight.status.st_size

    def _read_again(self, most: int) -> bytes:
        self.rewind()
        return self._read(most)

    def _read(self, most: int) -> bytes:
        try:
            piece = os.read(self._descriptor, min(self._size - self._done, most))
        except OSError as error:
            raise _understood(error) from error
        if not piece:
            raise NotYet("it became shorter while it was read")
        self._done += len(piece)
        return piece

    def _check_settled(self) -> None:
        self._check_unchanged()
        if not self._custom.is_ours(self._directory, self._sight):
            raise NotYet("somebody came for it while it was read")

    def _check_unchanged(self) -> None:
        if not self._sight.is_same(os.fstat(self._descriptor)):
            raise NotYet("it changed while it was read")


def _closed(error: OSError) -> str:
    return f"it cannot be read ({error.strerror}); a mode of 0640 is enough"


def _understood(error: OSError) -> MailError:
    reason = error.strerror or str(error)
    if error.errno in _ANOTHER:
        return NotYet(f"it is another by now ({reason})")
    if error.errno in _CLOSED_TO_US:
        return Malformed(_closed(error))
    if error.errno in _SHORT:
        return OutOfResources(f"it cannot be read ({reason})")
    return Unreadable(f"it cannot be read ({reason})")
