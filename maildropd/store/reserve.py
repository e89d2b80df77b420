# SPDX-License-Identifier: Apache-2.0
"""Blocks of the disk that are ours before others fill it.

Held are: the log, into which each outcome is written; the room in queue.db
that an accepted message will need; and a little that a start gives back.
Where a file system cannot hold blocks, all goes on without.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.errors import StoreFull

LOG_SIZE = 16 * 1024 * 1024  # what journal_size_limit leaves of the log
_SLACK = 1024 * 1024  # of queue.db, for outcomes that are longer than what was
_BALLAST = 128 * 1024  # the index of the log, and the like
_LOG_HEADER = b"\0" * 32
_FULL = (errno.ENOSPC, errno.EDQUOT)


def log_of(path: Path) -> Path:
    """Return where SQLite has the log of a database."""
    return path.with_name(path.name + "-wal")


def lend(path: Path) -> None:
    """Give back what a start needs; before SQLite opens the database."""
    kept, log = _kept_log(path), log_of(path)
    with suppress(FileNotFoundError):
        _ballast(path).unlink()
    if log.exists():
        with suppress(FileNotFoundError):
            kept.unlink()
        return
    try:
        _lend_log(kept, log)
    except FileNotFoundError:
        pass
    except OSError:
        # A full disk that copies what is written has no room even for that.
        with suppress(OSError):
            kept.unlink()


def _lend_log(kept: Path, log: Path) -> None:
    # All that is in it was brought into the file, long ago perhaps: without
    # its header nobody can take it for news.
    with kept.open("r+b") as file:
        file.write(_LOG_HEADER)
        file.flush()
        os.fsync(file.fileno())
    kept.rename(log)
    durable.sync_directory(log.parent)


class Reserve:
    """The blocks held for one database, while it is open."""

    def __init__(self, path: Path) -> None:
        """Open the database beside SQLite.

        Until ``close``: to close any descriptor of it drops SQLite's locks.
        """
        self.descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._path = path
        self._held = os.fstat(self.descriptor).st_size
        self.log_size = _held_by(log_of(path))  # octets of the log that are held

    def fill(self, spare: int, wanted: int) -> None:
        """Hold what is not held yet, out of what the disk can spare."""
        with suppress(OSError):  # the next quiet moment may have more luck
            if wanted and spare > _BALLAST:
                self._hold_ballast()
            log_size = min(wanted, LOG_SIZE)
            if self.log_size < log_size < spare:
                self._hold_log(log_size)

    def _hold_ballast(self) -> None:
        ballast = _ballast(self._path)
        if not ballast.exists():
            durable.create(ballast, [bytes(_BALLAST)])

    def _hold_log(self, size: int) -> None:
        log = os.open(log_of(self._path), os.O_RDWR | os.O_CLOEXEC)
        try:
            # SQLite takes the zeros at its end for what they are: no frames.
            os.posix_fallocate(log, 0, size)
        finally:
            os.close(log)
        self.log_size = size

    def allot(self, size: int) -> None:
        """See to it that queue.db can become so large; raise ``StoreFull``."""
        if size <= self._held:
            return
        try:
            os.posix_fallocate(self.descriptor, 0, size + _SLACK)
        except OSError as error:
            if error.errno in _FULL:
                raise StoreFull(f"no room for {self._path}") from error
        self._held = size + _SLACK

    def checkpointed(self, size: int) -> None:
        """Hold the slack anew: SQLite has cut the file to its size."""
        self._held = size
        with suppress(StoreFull):
            self.allot(size + 1)

    def keep_log(self) -> None:
        """Let the log's blocks outlive the log; before SQLite closes."""
        with suppress(OSError):
            log = log_of(self._path)
            if log.stat().st_size >= _BALLAST:
                os.link(log, _kept_log(self._path))

    def close(self) -> None:
        """Let go of the database; after SQLite has."""
        with suppress(OSError):  # SQLite has cut the file to its size
            self.checkpointed(os.fstat(self.descriptor).st_size)
        os.close(self.descriptor)
        with suppress(OSError):  # nothing is lost if the next start does it
            if log_of(self._path).exists():  # it was not brought into the file
                _kept_log(self._path).unlink()


def _held_by(log: Path) -> int:
    """Return how much a former run has left held; 0 if it was not that run's aim."""
    try:
        size = log.stat().st_blocks * 512
    except OSError:
        return 0
    return size if size >= _BALLAST else 0


def _ballast(path: Path) -> Path:
    return path.with_name("reserve")


def _kept_log(path: Path) -> Path:
    return path.with_name("reserve-log")
