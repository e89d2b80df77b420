# SPDX-License-Identifier: Apache-2.0
"""Trouble with the store is told once when it begins, and once when it ends."""

import sqlite3
from datetime import timedelta
from pathlib import Path

from maildropd.host.clock import Clock
from maildropd.mail.errors import StoreFull, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.service_events import StoreRecovered, StoreTrouble
from maildropd.store.connection import primary, translated

# Where small changes still find room and large ones do not, they take turns;
# that is one trouble, not one per change.
_QUIET = timedelta(seconds=10)


class Trouble:
    """Whether the store is in trouble, as the writer finds it."""

    def __init__(self, path: Path, journal: Journal, clock: Clock) -> None:
        """Begin without."""
        self._path = path
        self._journal = journal
        self._clock = clock
        self._since: timedelta | None = None
        self._last = timedelta(0)

    def struck(self, error: sqlite3.Error) -> StoreFull | StoreUnusable:
        """Report an error, unless it goes on; return what callers are told."""
        failure = translated(error, self._path)
        failure.__cause__ = error
        # A constraint says that one change was wrong, not that the disk is.
        if primary(error) != sqlite3.SQLITE_CONSTRAINT:
            self._last = self._clock.monotonic()
            if self._since is None:
                self._since = self._last
                self._journal.emit(StoreTrouble(reason=str(failure)))
        return failure

    def over(self) -> None:
        """Report that changes are made again, and have been for a while."""
        if self._since is None:
            return
        now = self._clock.monotonic()
        if now - self._last >= _QUIET:
            self._journal.emit(StoreRecovered(delay=now - self._since))
            self._since = None
