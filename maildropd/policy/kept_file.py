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

    def __init__(self, path: Path) -> None:
        """Look at nothing yet."""
        self.path = path
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Tell whether it is another than at the last ``read``."""
        return self._seen is None or self._present() != self._seen

    def read(self) -> str:
        """Return its text, "" if there is no file; raise ``Unreadable``."""
        self._seen = self._present()
        try:
            return read_text(self.path)
        except FileNotFoundError:
            return ""

    def _present(self) -> tuple[int, ...]:
        try:
            found = os.stat(self.path)
        except OSError as error:
            return (error.errno or 0,)
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def read_text(path: Path) -> str:
    """Return a file's text; raise ``FileNotFoundError`` or ``Unreadable``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise FileNotFoundError(str(path)) from error
        raise Unreadable(f"cannot be read ({error.strerror})") from error
    try:
        _check(os.fstat(descriptor))
        return os.read(descriptor, _LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"cannot be read ({error})") from error
    finally:
        os.close(descriptor)


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("is not a file")
    if found.st_size > _LARGEST:
        raise Unreadable(f"is larger than {_LARGEST} octets")
    if found.st_mode & 0o002:
        raise Unreadable("can be written by everybody")
