# SPDX-License-Identifier: Apache-2.0
"""Getting out of a damaged store what can be read, message by message.

sqlite3's own .recover (3.40) knows nothing of tables like ours.  The old files
are moved away whole; nothing is taken from them for good.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.envelope import QueueId
from maildropd.store.connection import PAGE, connect
from maildropd.store.opening import lock, open_database
from maildropd.store.reserve import log_of
from maildropd.store.rows import Row, number
from maildropd.store.schema import Schema

# Ways to find queue ids; each is gone from both ends, up to the damage.
_BY_MESSAGE = "SELECT queue_id FROM message ORDER BY queue_id {}"
_BY_RECIPIENT = "SELECT queue_id FROM recipient ORDER BY queue_id {}, number {}"
_BY_DUE = (
    "SELECT queue_id FROM recipient INDEXED BY recipient_due"
    " WHERE state IN ('ready', 'deferred') ORDER BY state {}, due {}"
)
_WAYS = (_BY_MESSAGE, _BY_RECIPIENT, _BY_DUE)
_FIND_MESSAGE = "SELECT * FROM message WHERE queue_id = ?"
_FIND_RECIPIENTS = "SELECT * FROM recipient WHERE queue_id = ?"
_FIND_CONTENT = "SELECT * FROM content WHERE number = ?"
_INSERT_MESSAGE = "INSERT INTO message ({}) VALUES ({})"
_INSERT_RECIPIENT = "INSERT INTO recipient ({}) VALUES ({})"
_INSERT_CONTENT = "INSERT INTO content ({}) VALUES ({})"
# What belongs to no message.
_BESIDE = (
    (
        "SELECT * FROM submission ORDER BY key {}",
        "INSERT OR IGNORE INTO submission ({}) VALUES ({})",
    ),
    (
        "SELECT one, 0 AS open, cursor FROM run ORDER BY one {}",
        "INSERT OR IGNORE INTO run ({}) VALUES ({})",
    ),
    (
        "SELECT * FROM clock ORDER BY one {}",
        "INSERT OR IGNORE INTO clock ({}) VALUES ({})",
    ),
)
_SIZE_AT = 28  # in the header: pages of the file
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What came of it."""

    messages: int
    unreadable: int
    folder: Path  # where the old files are


def salvage(directory: Path) -> Salvaged:
    """Make a new queue.db of what can be read; raise ``StoreUnusable``."""
    descriptor = lock(directory)
    try:
        return _salvage(directory / "queue.db")
    finally:
        os.close(descriptor)


def _salvage(path: Path) -> Salvaged:
    folder = path.with_name(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}-salvaged")
    working, fresh = folder / "work.db", folder / "new.db"
    durable.make_directory(folder)
    for file in (path, log_of(path)):
        if file.exists():
            # A copy to work on: SQLite may change what it reads.
            copy = folder / file.name.replace(path.name, working.name)
            with file.open("rb") as octets:
                durable.create(copy, iter(lambda: octets.read(_PIECE), b""))
    connection, _ = open_database(fresh, Schema.current())
    with closing(connection):
        _mend_first_page(working, fresh)
        with closing(connect(working)) as source:
            kept, lost = _copy(source, connection)
    for file in (path, log_of(path), path.with_name(f"{path.name}-shm")):
        if file.exists():
            os.rename(file, folder / file.name)
    os.rename(fresh, path)
    durable.sync_directory(folder)
    durable.sync_directory(path.parent)
    for file in folder.glob("work.db*"):
        file.unlink()
    folder.joinpath("content").rmdir()  # of the new store, while it was there
    return Salvaged(messages=kept, unreadable=lost, folder=folder)


def _mend_first_page(working: Path, fresh: Path) -> None:
    """Where the first page is spoiled, a new store's does: the tables lie alike."""
    with suppress(sqlite3.Error), closing(connect(working)) as source:
        source.execute("SELECT count(*) FROM recipient LIMIT 1").fetchone()
        return
    for file in working.parent.glob(f"{working.name}-*"):
        file.unlink()
    page = bytearray(fresh.read_bytes()[:PAGE])
    pages = max(working.stat().st_size // PAGE, 1)
    page[_SIZE_AT : _SIZE_AT + 4] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)  # no page is free, as far as we know
    with working.open("r+b") as spoiled:
        spoiled.write(page)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> tuple[int, int]:
    kept = lost = 0
    target.execute("BEGIN")
    for queue_id in sorted(_ids(source)):
        target.execute("SAVEPOINT one")
        try:
            _copy_one(source, target, QueueId(queue_id))
            kept += 1
        except (sqlite3.Error, ArithmeticError, LookupError, ValueError):
            target.execute("ROLLBACK TO one")  # half of it would never go
            lost += 1
        target.execute("RELEASE one")
    for query, insert in _BESIDE:
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                found = source.execute(query.format(order))
                _put(target, insert, found, found)
    target.execute(
        "INSERT INTO tally SELECT state, count(*) FROM recipient GROUP BY state"
    )
    target.execute("COMMIT")
    return kept, lost


def _ids(source: sqlite3.Connection) -> set[str]:
    found: set[str] = set()
    for way in _WAYS:
        for order in ("ASC", "DESC"):
            query = way.replace("{}", order)
            with suppress(sqlite3.Error):  # what lies behind is found otherwise
                for (queue_id,) in source.execute(query):
                    found.add(str(queue_id))  # of a spoiled row it may be anything
    return found


def _copy_one(
    source: sqlite3.Connection, target: sqlite3.Connection, queue_id: QueueId
) -> None:
    """Copy message, recipients and, if it can be read, the content.

    Without it the message is held when its turn comes, and can be seen.
    """
    found = source.execute(_FIND_MESSAGE, (queue_id,))
    (message,) = found
    _put(target, _INSERT_MESSAGE, found, [message])
    found = source.execute(_FIND_RECIPIENTS, (queue_id,))
    recipients = found.fetchall()
    if not recipients:
        raise LookupError(queue_id)
    _put(target, _INSERT_RECIPIENT, found, recipients)
    content: list[Row] = []
    with suppress(sqlite3.Error):
        found = source.execute(_FIND_CONTENT, (number(queue_id),))
        content = found.fetchall()
    _put(target, _INSERT_CONTENT, found, content)


def _put(
    target: sqlite3.Connection, insert: str, found: sqlite3.Cursor, rows: Iterable[Row]
) -> None:
    """Insert rows by the names of their columns: an older store has fewer."""
    names = [name for name, *_ in found.description]
    columns, places = ", ".join(names), ", ".join("?" * len(names))
    target.executemany(insert.format(columns, places), rows)
