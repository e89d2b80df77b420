# SPDX-License-Identifier: Apache-2.0
"""A file of the administrator's, read anew whenever it has changed.

While it cannot be read, what it said last is in force.
"""

import errno
import os
import stat
from pathlib import Path

_LARGEST = 4 * 1024 * 1024


class Unreadable(Exception):
    """The file is there, and cannot be used; the text says why."""


class KeptFile:
    """The text of one file, as it is now."""

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        """Look at nothing yet; ``follow`` a symbolic link, or take none."""
        self.path = path
        self._follow = follow
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Tell whether it is another than at the last ``read``."""
        return self._seen is None or self._present() != self._seen

    def read(self) -> str:
        """Return its text; raise ``FileNotFoundError`` or ``Unreadable``.

        What is not UTF-8 comes as surrogates, which no address has: only
        those who are meant by it suffer.
        """
        self._seen = self._present()
        descriptor = self._opened()
        try:
            _check(os.fstat(descriptor))
            octets = _whole(descriptor)
        except OSError as error:
            raise Unreadable(f"cannot be read ({error.strerror})") from error
        finally:
            os.close(descriptor)
        return octets.decode("utf-8", "surrogateescape")

    def _present(self) -> tuple[int, ...]:
        """Return what is another when content or rights are."""
        try:
            found = os.stat(self.path, follow_symlinks=self._follow)
        except OSError as error:
            return (error.errno or 0,)
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return (*times, found.st_size, found.st_ino, found.st_dev)

    def _opened(self) -> int:
        # Not to wait for the writer of a pipe.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            return os.open(self.path, flags | (0 if self._follow else os.O_NOFOLLOW))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise FileNotFoundError(str(self.path)) from error
            if error.errno == errno.ELOOP and not self._follow:
                raise Unreadable("is a symbolic link") from error
            raise Unreadable(f"cannot be read ({error.strerror})") from error


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("is not a file")
    if found.st_mode & stat.S_IWOTH:
        raise Unreadable("can be written by everybody")


def _whole(descriptor: int) -> bytes:
    pieces, left = [], _LARGEST + 1
    while left and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise Unreadable(f"is larger than {_LARGEST} octets")
    return b"".join(pieces)
