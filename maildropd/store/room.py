# SPDX-License-Identifier: Apache-2.0
"""Whether there is room for new mail; told once when it ends, once when it is back.

New mail never takes the last of a disk: that is for the record of deliveries.
"""

import os
import threading
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

from maildropd.host.clock import Clock
from maildropd.mail.errors import MailError, StoreFull
from maildropd.mail.event import Journal
from maildropd.mail.store_events import IntakeResumed, IntakeStopped
from maildropd.store.base import Stored

# What goes out at the brink lets the next one in, and so on: one trouble.
_QUIET = timedelta(seconds=10)
_AMPLE = 1 << 28  # octets; nobody fills them in a moment
_MOMENT = timedelta(milliseconds=50)
_LARGEST_SHARE = 8  # of a small disk the reserve takes one in so many parts


class Room:
    """The room for new mail on one file system; callable from any thread."""

    def __init__(self, directory: Path, journal: Journal, clock: Clock) -> None:
        """Begin without a reserve."""
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._reserve = 0
        self._short = False
        self._stopped = False  # as it was told
        self._since = timedelta(0)
        self._last = timedelta(0)
        self._ample_until = timedelta(0)  # there is room, nobody need look
        self._refused = 0  # the octets of the largest that found no room

    def configure(self, reserve: int) -> None:
        """Keep so many octets free; on a small disk an eighth of it."""
        self._reserve = reserve
        self._ample_until = timedelta(0)

    def spare(self) -> tuple[int, int]:
        """Return how much is free, and how much of it is the reserve."""
        try:
            found = os.statvfs(self._directory)
        except OSError:  # whoever writes there will hear it, and say so
            return self._reserve, self._reserve
        if not found.f_blocks:  # a tmpfs without a limit
            return self._reserve, self._reserve
        whole = found.f_blocks * found.f_frsize
        reserve = min(self._reserve, whole // _LARGEST_SHARE)
        return found.f_bavail * found.f_frsize, reserve

    def admit(self) -> None:
        """Raise ``StoreFull`` while new mail would take from the reserve."""
        if shortage := self.shortage():
            raise StoreFull(shortage)

    def shortage(self) -> str:
        """Say how little room there is, while no new mail is taken; else nothing."""
        if not self._is_short():
            return ""
        free, reserve = self.spare()
        return (
            f"{free >> 10} KiB free in {self._directory}, and"
            f" {reserve >> 10} KiB are kept free (disk_reserve)"
        )

    def glance(self) -> None:
        """Notice in a quiet moment that there is room again."""
        if self._short and not self._is_short():
            self._resume(0)

    def refused(self, error: MailError, size: int) -> None:
        """Note that a message found no place; say so, unless it goes on."""
        with self._lock:
            self._last = self._clock.monotonic()
            self._refused = max(self._refused, size)
            if self._stopped:
                return
            self._stopped, self._since = True, self._last
        self._journal.emit(IntakeStopped(reason=f"{error}{self._inodes()}"))

    def answered(self, size: int, future: Future[Stored]) -> None:
        """Note how the store answered to a message of so many octets."""
        if future.cancelled():  # it was never tried
            return
        error = future.exception()
        if isinstance(error, StoreFull):
            self.refused(error, size)
        elif error is None:
            self._resume(size)

    def _is_short(self) -> bool:
        now = self._clock.monotonic()
        if now < self._ample_until:
            return False
        free, reserve = self.spare()
        if free - reserve >= _AMPLE:
            self._ample_until = now + _MOMENT
        if self._short:  # a little more, so that it does not go to and fro
            reserve += reserve // 4
        self._short = free < reserve
        return self._short

    def _resume(self, size: int) -> None:
        """Say that there is room, where it is as much as was refused."""
        with self._lock:
            now = self._clock.monotonic()
            over = now - self._last >= _QUIET and size >= self._refused
            if not self._stopped or not over:
                return
            delay = now - self._since
            self._stopped, self._refused = False, 0
        self._journal.emit(IntakeResumed(delay=delay))

    def _inodes(self) -> str:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return ""
        return "; no inode is free" if found.f_files and not found.f_favail else ""
