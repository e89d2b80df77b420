# SPDX-License-Identifier: Apache-2.0
"""Files that somebody else wrote, read with care: never waited for, never endless."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from maildropd.foreign.errors import Unreadable

_LARGEST = 1 << 20
LARGEST_MAIL = 1 << 28
_FLAGS = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
)  # somebody may have put a fifo there


def octets(path: Path, limit: int = _LARGEST, flags: int = 0) -> bytes:
    """Return what a plain file holds; raise ``Unreadable``."""
    try:
        return plain(path, limit, flags)
    except OSError as error:
        raise Unreadable(str(path), (error.strerror or str(error)).lower()) from error


def plain(path: Path, limit: int, flags: int = 0) -> bytes:
    """Return what a plain file holds; raise ``OSError``."""
    descriptor = os.open(path, _FLAGS | flags)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a file")
        # Memory is taken for all that is asked for.
        found = file.read(min(status.st_size, limit) + 1)
    if len(found) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit} octets")
    return found


def text(path: Path) -> str:
    """Return a file of UTF-8."""
    found = octets(path)
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{path}:{line}", "is not UTF-8") from error


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file of text, each behind where it stands."""
    for number, line in enumerate(text(path).split("\n"), 1):
        yield f"{path}:{number}", line.removesuffix("\r")


def first_line(path: Path) -> str:
    """Return the first line of a file, stripped; nothing where there is no file."""
    if not os.path.lexists(path):
        return ""
    return text(path).partition("\n")[0].strip()


class Gone(Exception):
    """The file is not there any more: somebody else took it."""


def listed(folder: Path) -> list[Path]:
    """Return what is in a folder but folders and dot files, the oldest first."""
    return [path for path in everything(folder) if path.name[0] != "."]


def everything(folder: Path) -> list[Path]:
    """Return all but folders, the oldest first; raise ``Unreadable``."""
    try:
        with os.scandir(folder) as found:
            names = [e.name for e in found if not e.is_dir(follow_symlinks=False)]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unreadable(str(folder), f"cannot be read ({why})") from error
    return sorted((folder / name for name in names), key=age)


def mail(path: Path) -> bytes:
    """Return a file of a queue; raise ``Gone`` or ``Unreadable``; follow no link."""
    if not os.path.lexists(path):
        raise Gone(str(path))
    if os.path.islink(path):
        raise Unreadable(str(path), "it is a symbolic link")
    return octets(path, LARGEST_MAIL, os.O_NOFOLLOW)


def check_message(path: Path, content: bytes) -> bytes:
    """Return a message; raise ``Unreadable`` where there is none."""
    if not content.strip():
        raise Unreadable(str(path), "there is no message in it")
    return content


def age(path: Path) -> tuple[int, str]:
    """Return what puts the oldest first; what is gone by now comes before all."""
    try:
        return os.lstat(path).st_mtime_ns, path.name
    except OSError:
        return 0, path.name
