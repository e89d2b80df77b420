# SPDX-License-Identifier: Apache-2.0
"""The drop directory itself: opened, locked, and still the same one.

All work in it goes through its descriptor, so that nobody can put another
directory, or a symbolic link, in our way.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from maildropd.mail.errors import TransientError

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL = os.R_OK | os.W_OK | os.X_OK


class DirectoryUnusable(TransientError):
    """The directory is missing, closed to us, or somebody else's."""


class DropDirectory:
    """An open directory, which no other daemon works in."""

    def __init__(self, path: Path) -> None:
        """Open and lock it; raise ``DirectoryUnusable``, saying why."""
        self.path = path
        try:
            self.descriptor = os.open(path, _FLAGS)
        except OSError as error:
            # Not Path.is_symlink: on a disk that fails, it does, too.
            reason = "a symbolic link" if os.path.islink(path) else error.strerror
            raise DirectoryUnusable(str(reason)) from error
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.check()
        except OSError as error:
            self.close()
            raise DirectoryUnusable("another daemon works in it") from error
        except DirectoryUnusable:
            self.close()
            raise

    def check(self) -> None:
        """Raise ``DirectoryUnusable`` when the path means something else by now."""
        try:
            found = os.lstat(self.path)
        except OSError as error:
            raise DirectoryUnusable(error.strerror or str(error)) from error
        if not os.path.samestat(found, os.fstat(self.descriptor)):
            raise DirectoryUnusable("replaced by another")
        if not os.access(".", _ALL, dir_fd=self.descriptor, effective_ids=True):
            raise DirectoryUnusable("closed to us, or read-only")

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def make(path: Path) -> None:
    """Make the directory if only that is missing; what is wrong shows later."""
    with suppress(OSError):
        os.mkdir(path, 0o700)
