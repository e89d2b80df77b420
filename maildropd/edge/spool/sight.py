# SPDX-License-Identifier: Apache-2.0
"""What a name in the drop stands for: at one look, and at the next.

A name is octets, chosen by anybody on this host; what it stands for may be a
trap, and may be another thing a moment later.
"""

import errno
import os
import re
import stat
from typing import Self

from maildropd.mail.errors import Malformed, TooLarge

LOCK = b".lck"
_STAGED = re.compile(rb"\.[0-9a-f]{32}")

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_staged(name: bytes) -> bool:
    """Tell whether a name is one under which mail waits to be released."""
    return _STAGED.fullmatch(name) is not None


def shown(name: bytes) -> str:
    """Return a name for people: on one line, whatever is in it."""
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


class Sight:
    """What a name stood for at one look."""

    __slots__ = ("key", "name", "status")

    def __init__(self, name: bytes, status: os.stat_result) -> None:
        """Remember a look.

        ``key`` is this file, in this version, within its directory.  The time
        of the inode's last change is in it because ``cp -p`` can give a new
        file the inode number, time and size of an old one; the number of the
        device is not, because the next boot may give the disk another one.
        """
        self.name = name
        self.status = status
        self.key = (
            f"{status.st_ino}:{status.st_mtime_ns}:"
            f"{status.st_size}:{status.st_ctime_ns}"
        )

    @classmethod
    def of(cls, directory: int, name: bytes) -> Self | None:
        """Look at a name; None when there is nothing."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the lock of a name of 255
                return None
            raise
        return cls(name, status)

    def lock(self, directory: int) -> Self | None:
        """Return what locks it, if anything does.

        A lock is its writer's, or root's: names can be guessed, and nobody
        may hold up, or have set aside, what somebody else has left.
        """
        found = self.of(directory, self.name + LOCK)
        if found and found.status.st_uid in (self.status.st_uid, 0):
            return found
        return None

    @classmethod
    def failed(cls, name: bytes) -> Self:
        """Stand for a name that cannot even be looked at."""
        return cls(name, os.stat_result((0,) * 10))

    @property
    def is_directory(self) -> bool:
        """Tell whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    def is_same(self, status: os.stat_result) -> bool:
        """Tell whether this is still the same version of the same file.

        Names and modes may change, and the inode's change time with them.
        """
        mine = self.status
        return (
            mine.st_ino == status.st_ino
            and mine.st_mtime_ns == status.st_mtime_ns
            and mine.st_size == status.st_size
            and mine.st_dev == status.st_dev
        )

    def check(self) -> None:
        """Raise ``Malformed`` for what must not even be opened."""
        mode = self.status.st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "odd")
            raise Malformed(f"it is {kind}, not a file")
        if self.status.st_nlink != 1:
            raise Malformed(f"it has {self.status.st_nlink} names (hard links)")
        if self.status.st_size == 0:
            raise Malformed("it is empty")

    def check_size(self, limit: int) -> None:
        """Raise ``TooLarge`` for a mail that is."""
        if self.status.st_size > limit:
            size = self.status.st_size
            raise TooLarge(f"{size} octets, and message_size_limit is {limit}")
