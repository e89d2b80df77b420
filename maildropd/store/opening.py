# SPDX-License-Identifier: Apache-2.0
"""Taking possession of a state directory, before anything in it is used.

One process has it at a time: the lock is on the directory itself, so no
stale file can keep anybody out, and the kernel lets go when a process dies.
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.errors import StoreUnusable
from maildropd.store.connection import connect, refuse_foreign, translated
from maildropd.store.schema import Schema, prepare


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


def open_database(path: Path, schema: Schema) -> tuple[sqlite3.Connection, int]:
    """Open or make queue.db; return the schema version it had.

    Raise ``StoreUnusable``, and change nothing, if it is not ours to use.
    """
    try:
        if path.exists():
            refuse_foreign(path)
        else:
            durable.create(path, ())  # SQLite would make it readable for all
        durable.make_directory(path.with_name("content"))
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}") from error
    with ExitStack() as undo:
        try:
            connection = connect(path)
            undo.callback(connection.close)
            version = prepare(connection, path, schema)
        except sqlite3.Error as error:
            raise translated(error, path) from error
        undo.pop_all()
    return connection, version
