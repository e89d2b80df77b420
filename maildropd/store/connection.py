# SPDX-License-Identifier: Apache-2.0
"""A connection to queue.db, and what the errors of SQLite mean to us."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maildropd.mail.errors import StoreFull, StoreRefused, StoreUnusable
from maildropd.store.reserve import Reserve

PAGE = 4096
DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

# Per connection.  A commit is durable when it returns (synchronous); memory
# stays small whatever the file's size (cache_size in KiB, no mmap); the log
# shrinks again after a burst.
_SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -3072",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA secure_delete = OFF",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open queue.db; it must be there.  Transactions are begun by hand."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,  # each has one user at a time, see sqlite.py
        cached_statements=128,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def primary(error: sqlite3.Error) -> int:
    """Return SQLite's result code without its extension; 0 if there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translated(error: sqlite3.Error, path: Path) -> StoreFull | StoreUnusable:
    """Say what an error of SQLite means."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if primary(error) == sqlite3.SQLITE_FULL:
        return StoreFull(f"no room for {path}")
    if primary(error) in DAMAGE:
        return StoreRefused(f"{path} is damaged: {error} ({name})")
    if primary(error) == sqlite3.SQLITE_BUSY:
        return StoreUnusable(
            f"{path} is locked by another program (sqlite3, or a backup?)"
        )
    return StoreUnusable(f"{path}: {error} ({name})")


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Translate what SQLite and the kernel say where there is no writer yet."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        place = error.filename or path
        raise StoreUnusable(f"{place}: {error.strerror or error}") from error


@contextmanager
def wanting_memory() -> Iterator[None]:
    """Tell a want of memory, SQLite's own or ours, as SQLite's other troubles."""
    try:
        yield
    except MemoryError as error:
        raise sqlite3.OperationalError("out of memory") from error


class Database:
    """The writer's connection: dropped when in doubt, made again when needed."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        reserve: Reserve | None = None,
    ) -> None:
        """Go on with a connection that was made and prepared."""
        self.path = path
        self._reserve = reserve
        self._connection: sqlite3.Connection | None = connection

    def connection(self) -> sqlite3.Connection:
        """Return the connection; make a new one if the last was dropped."""
        if self._connection is None:
            with wanting_memory():
                self._connection = _scrubbed(connect(self.path))
        return self._connection

    def allot(self) -> None:
        """See to it that what is about to be committed has room in the file.

        Raise ``StoreFull`` if it has not.  What only the log had room for would
        keep the log from ever being emptied, once somebody else fills the disk.
        """
        if self._reserve:
            self._reserve.allot(self._size())

    def checkpoint(self) -> None:
        """Bring the log into the file."""
        with wanting_memory():
            self.connection().execute("PRAGMA wal_checkpoint").fetchall()
            if self._reserve:
                self._reserve.checkpointed(self._size())

    @property
    def log_room(self) -> int:
        """How many pages the log can hold, whatever the disk has room for."""
        return self._reserve.log_size // PAGE if self._reserve else 0

    def _size(self) -> int:
        query = "PRAGMA page_count"
        (pages,) = self.connection().execute(query).fetchone()
        return int(pages) * PAGE

    def rollback(self) -> None:
        """Undo an open transaction, if there is one."""
        if self._connection and self._connection.in_transaction:
            with wanting_memory():
                self._connection.execute("ROLLBACK")

    def disconnect(self) -> None:
        """Let go of the connection."""
        dropped, self._connection = self._connection, None
        if dropped:
            with suppress(sqlite3.Error):  # it was of no use any more
                dropped.close()


def _scrubbed(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Make sure that a commit that failed cannot come back after a crash.

    When the sync of the log fails, its frames may be on disk all the same,
    and a recovery would take them for committed.  Nothing reads them while
    any connection is open; a write of our own puts other frames in their place.
    """
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
