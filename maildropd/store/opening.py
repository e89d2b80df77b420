# SPDX-License-Identifier: Apache-2.0
"""Taking possession of a state directory, before anything in it is used.

One process has it at a time: the lock is on the directory itself, so no
stale file can keep anybody out, and the kernel lets go when a process dies.
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.errors import StoreUnusable
from maildropd.store.connection import connect, translating
from maildropd.store.damage import keep_copy
from maildropd.store.inspection import Damaged, inspect
from maildropd.store.reserve import log_of
from maildropd.store.schema import Schema, prepare

_REMEDY = 'see "A DAMAGED STORE" in maildropd(8)'


def lock(directory: Path) -> int:
    """Make the directory if need be, and lock it; closing the result unlocks."""
    try:
        durable.make_directory(directory)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        descriptor = os.open(directory, flags)
    except OSError as error:
        raise StoreUnusable(f"{directory}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreUnusable(f"another maildropd uses {directory}") from error
    return descriptor


def examine(path: Path, schema: Schema, now: datetime) -> None:
    """Raise ``StoreUnusable`` if it is closed to us, not ours, damaged or cut.

    A copy of what is damaged is kept; nothing else is touched.
    """
    try:
        _check_access(path)
        inspect(path, schema)
    except Damaged as error:
        raise Damaged(
            f"{error}; {_copied(path, str(error), now)}; {_REMEDY}"
        ) from error
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}") from error


def open_database(path: Path, schema: Schema) -> tuple[sqlite3.Connection, int]:
    """Open or make queue.db; return the schema version it had.

    Raise ``StoreUnusable``, and change nothing, if it is not ours to use.
    """
    try:
        if not path.exists():
            _make(path, schema)
        durable.make_directory(path.with_name("content"))
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}") from error
    return _prepared(path, path, schema)


def _check_access(path: Path) -> None:
    directory, content = path.parent, path.with_name("content")
    index = path.with_name(path.name + "-shm")
    for place in (directory, path, log_of(path), index, content):
        wanted = os.R_OK | os.W_OK | (os.X_OK if place in (directory, content) else 0)
        if place.exists() and not os.access(place, wanted):
            status = place.stat()
            raise StoreUnusable(
                f"{place} cannot be written: it is of uid {status.st_uid}, mode"
                f" {status.st_mode & 0o7777:o}, and we are uid {os.geteuid()};"
                " or it is immutable, or its file system read-only"
            )


def _copied(path: Path, reason: str, now: datetime) -> str:
    database = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return keep_copy(path, database, reason, now, _nobody)
    finally:
        os.close(database)


def _make(path: Path, schema: Schema) -> None:
    """Make an empty store under another name: a crash must not leave half of one."""
    unfinished = path.with_name(f".{path.name}.new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        durable.remove(unfinished.with_name(unfinished.name + suffix))
    durable.create(unfinished, ())  # SQLite would make it readable for all
    connection, _ = _prepared(unfinished, path, schema)
    with closing(connection), translating(path):
        # Its close would do that, too, but say nothing if the disk refuses; and
        # the log stays behind under the other name.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    os.rename(unfinished, path)
    durable.sync_directory(path.parent)


def _prepared(file: Path, path: Path, schema: Schema) -> tuple[sqlite3.Connection, int]:
    with ExitStack() as undo, translating(path):
        connection = connect(file)
        undo.callback(connection.close)
        version = prepare(connection, path, schema)
        undo.pop_all()
    return connection, version


def _nobody() -> None:
    """Nobody waits for a sign of life."""
