# SPDX-License-Identifier: Apache-2.0
"""Trouble with the store is told once when it begins, and once when it ends."""

import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

from maildropd.host.clock import Clock
from maildropd.mail.errors import StoreFull, StoreInDoubt, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.service_events import StoreRecovered, StoreTrouble
from maildropd.store.adding import Add
from maildropd.store.connection import DAMAGE, primary, translated

# Where small changes still find room and large ones do not, they take turns;
# that is one trouble, not one per change.
_QUIET = timedelta(seconds=10)

# What SQLite says of one statement, or of the room left; after anything else
# the connection is not trusted any more.
HARMLESS = frozenset(
    (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_BUSY,
    )
)
# A bug of ours in one change, or a value that SQLite cannot hold; that change
# fails, and no other.
BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Trouble:
    """Whether the store is in trouble, as the writer finds it."""

    def __init__(self, path: Path, journal: Journal, clock: Clock) -> None:
        """Begin without."""
        self._path = path
        self._journal = journal
        self._clock = clock
        self._since: timedelta | None = None
        self._last = timedelta(0)
        self._in_doubt = False
        self.on_damage: Callable[[str], bool] = _nobody

    def look(self, error: sqlite3.Error) -> bool:
        """Have damage seen to, before anything else is done to the file.

        Return whether the same change may succeed now.
        """
        return is_damage(error) and self.on_damage(str(error))

    def refuse(
        self, jobs: Iterable[tuple[object, Future[Any]]], error: sqlite3.Error
    ) -> None:
        """Tell callers that their changes failed."""
        full = primary(error) == sqlite3.SQLITE_FULL
        for work, future in jobs:
            # Want of room for new mail is told where new mail comes in.
            silent = full and isinstance(work, Add)
            future.set_exception(self.struck(error, silent=silent))

    def struck(
        self, error: sqlite3.Error, *, silent: bool = False
    ) -> StoreFull | StoreUnusable:
        """Report an error, unless it goes on; return what callers are told."""
        failure = translated(error, self._path)
        failure.__cause__ = error
        # A constraint says that one change was wrong, not that the disk is; and
        # damage is told by whoever sees to it.
        if primary(error) == sqlite3.SQLITE_CONSTRAINT or is_damage(error):
            return failure
        if not silent:
            self._last = self._clock.monotonic()
            if self._since is None:
                self._since = self._last
                self._journal.emit(StoreTrouble(reason=str(failure)))
        return failure

    def in_doubt(self, error: Exception) -> StoreInDoubt:
        """Report a commit that failed and cannot be undone, once per trouble."""
        failure = StoreInDoubt(
            f"{self._path}: a commit failed ({error}), and its traces cannot be"
            " covered; what was refused may be there after a crash"
        )
        failure.__cause__ = error
        self._last = self._clock.monotonic()
        self._since = self._last if self._since is None else self._since
        if not self._in_doubt:
            self._in_doubt = True
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
            self._in_doubt = False


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error says that the file is not what was written."""
    return primary(error) in DAMAGE


def is_locked(error: sqlite3.Error) -> bool:
    """Tell whether somebody else has the file just now."""
    return primary(error) == sqlite3.SQLITE_BUSY


def _nobody(_: str) -> bool:
    """Nobody sees to damage."""
    return False
