# SPDX-License-Identifier: Apache-2.0
"""Where files go that are no mail: for good, with the reason beside them.

The reason is on disk before the file moves, and takes the name for it: what
lies in the quarantine always says why, and nothing there is ever replaced.
"""

import errno
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from maildropd.edge.spool.directory import DropDirectory
from maildropd.edge.spool.sight import LOCK, Sight, shown
from maildropd.host import durable
from maildropd.host.clock import Clock
from maildropd.mail.errors import NotYet

_REASON = ".reason"
# Room for a lock's suffix, for the reason's, and for a name while it is written.
_NAME_LIMIT = 255 - len(LOCK) - len(_REASON) - len("..tmp")
_PIECE = 256 * 1024
_COPY_LIMIT = 64 * 1024 * 1024

_TEXT = """\
This file was taken out of the drop, because
    {reason}

file:         {file}
owner:        uid {uid}
last change:  {changed}
set aside:    {now}

Nothing of it was sent, unless it says so above.  To send it, put right what
is wrong with it, and move it back under a new name.  Otherwise remove it, and
this file.
"""


class Quarantine:
    """One directory, closed to all others."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Name the directory; it is made when first needed."""
        self._path = path
        self._clock = clock

    def take(self, drop: DropDirectory, sight: Sight, reason: str) -> Path:
        """Move a file out of the drop; return where it is now.

        Raise ``NotYet`` if its name stands for another file by now, and
        ``OSError`` if it cannot be moved; it is in the drop then.
        """
        durable.make_directory(self._path)
        place = self._reserve(sight, _text(drop, sight, reason, self._clock.wall()))
        try:
            _check_same(drop, sight)
            _move(drop, sight, place)
        except (OSError, NotYet):
            durable.remove(place.with_name(place.name + _REASON))
            raise
        durable.sync_directory(self._path)
        durable.sync_names(drop.descriptor)
        return place

    def add_lock(self, drop: DropDirectory, lock: Sight, place: Path) -> None:
        """Move the lock of a file that was taken to where the file is."""
        _move(drop, lock, place.with_name(place.name + os.fsdecode(LOCK)))

    def _reserve(self, sight: Sight, text: str) -> Path:
        """Write the reason under a name that nothing else here has."""
        stamp = self._clock.wall().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in count(1):
            mark = f"-{sight.status.st_ino}-{number}" if number > 1 else ""
            start = f"{stamp}{mark}-".encode()
            name = os.fsdecode((start + sight.name)[:_NAME_LIMIT])
            if os.path.lexists(self._path / name):
                continue
            try:
                durable.create(self._path / (name + _REASON), [text.encode()])
            except FileExistsError:
                continue
            return self._path / name
        raise AssertionError("count() does not end")


def _text(drop: DropDirectory, sight: Sight, reason: str, now: datetime) -> str:
    return _TEXT.format(
        reason=reason,
        file=drop.path / shown(sight.name),
        uid=sight.status.st_uid,
        changed=_moment(sight.status.st_mtime),
        now=now.astimezone(UTC).isoformat(sep=" ", timespec="seconds"),
    )


def _moment(seconds: float) -> str:
    """Return a file's time; its owner may have set one beyond all calendars."""
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} seconds from 1970"
    return at.isoformat(sep=" ", timespec="seconds")


def _check_same(drop: DropDirectory, sight: Sight) -> None:
    found = Sight.of(drop.descriptor, sight.name)
    if found is None or not sight.is_same(found.status):
        raise NotYet("it is another file by now")


def _move(drop: DropDirectory, sight: Sight, place: Path) -> None:
    try:
        os.rename(sight.name, place, src_dir_fd=drop.descriptor)
    except OSError as error:
        status = sight.status
        is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if error.errno != errno.EXDEV or not is_plain or status.st_size > _COPY_LIMIT:
            raise
        durable.create(place, _octets(drop.descriptor, sight.name))
        try:
            _check_same(drop, sight)
            os.unlink(sight.name, dir_fd=drop.descriptor)
        except (OSError, NotYet):
            durable.remove(place)
            raise


def _octets(directory: int, name: bytes) -> Iterator[bytes]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        while piece := os.read(descriptor, _PIECE):
            yield piece
    finally:
        os.close(descriptor)
