# SPDX-License-Identifier: Apache-2.0
"""What the store is asked; answered at once, beside the writer.

Reads see what is committed.  They share one connection, one at a time, and
none lasts, so that the log can always be brought into the file.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from maildropd.host.clock import Mark
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import ContentGone
from maildropd.store import marks
from maildropd.store.base import MessageView, State
from maildropd.store.connection import connect, translated
from maildropd.store.content import ContentFolder, check
from maildropd.store.rows import (
    MESSAGE,
    MESSAGES,
    RECIPIENTS,
    Row,
    message_view,
    number,
    time,
)

_CONTENT = (
    "SELECT size, sha256, file, octets FROM message LEFT JOIN content"
    " ON content.number = ? WHERE queue_id = ?"
)
_NEXT_DUE = (
    "SELECT min(due) FROM ("
    "SELECT min(due) AS due FROM recipient WHERE state = 'ready' UNION ALL "
    "SELECT min(due) AS due FROM recipient WHERE state = 'deferred')"
)
_TALLY = "SELECT state, recipients FROM tally"
_OLDEST = "SELECT arrived FROM message ORDER BY queue_id LIMIT 1"


class Reader:
    """The reading half of the store."""

    def __init__(self, path: Path, content: ContentFolder, owner: str) -> None:
        """Open a connection of its own; it stays until ``close``.

        Being open is of use by itself, see connection.py on failed commits.
        """
        self._path = path
        self._content = content
        self._owner = owner
        self._lock = threading.Lock()
        self._connection = connect(path)

    def content(self, queue_id: QueueId) -> Iterator[bytes]:
        """Yield the stored octets, checked against their digest."""
        with self._reading() as connection:
            row = connection.execute(_CONTENT, (number(queue_id), queue_id)).fetchone()
        if row is None:
            raise ContentGone(f"{self._path} has no message {queue_id}")
        size, sha256, file, octets = row
        if file is not None:
            yield from self._content.pieces(file, size, sha256)
        elif octets is None:
            raise ContentGone(f"{self._path} has no content for {queue_id}")
        else:
            check(f"content of {queue_id}", hashlib.sha256(octets).digest(), sha256)
            yield octets

    def next_due(self) -> datetime | None:
        """Return the earliest due time, by two looks into the index."""
        with self._reading() as connection:
            (due,) = connection.execute(_NEXT_DUE).fetchone()
        return None if due is None else time(due)

    def counts(self) -> Mapping[State, int]:
        """Return the tally that the writer keeps with each change."""
        with self._reading() as connection:
            tally = dict(connection.execute(_TALLY).fetchall())
        return {state: tally.get(state, 0) for state in State}

    def oldest(self) -> datetime | None:
        """Return the arrival of the first message; ids sort by arrival."""
        with self._reading() as connection:
            row = connection.execute(_OLDEST).fetchone()
        return time(row[0]) if row else None

    def is_named(self, file: str) -> bool:
        """Tell whether a message has its content in this file."""
        query = "SELECT 1 FROM message WHERE queue_id = ? AND file = ?"
        with self._reading() as connection:
            return connection.execute(query, (file, file)).fetchone() is not None

    def mark(self) -> Mark | None:
        """Return where the queue's time was, if that matters."""
        with self._reading() as connection:
            return marks.find(connection)

    def list(self, after: str, limit: int) -> Sequence[MessageView]:
        """Return some messages, as they were at one moment."""
        return self._views(MESSAGES, (after, limit))

    def show(self, queue_id: QueueId) -> MessageView | None:
        """Return one message."""
        found = self._views(MESSAGE, (queue_id,))
        return found[0] if found else None

    def _views(self, query: str, values: Row) -> Sequence[MessageView]:
        with self._reading() as connection:
            connection.execute("BEGIN")
            try:
                return [
                    message_view(
                        row, connection.execute(RECIPIENTS, row[:1]), self._owner
                    )
                    for row in connection.execute(query, values).fetchall()
                ]
            finally:
                connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise translated(error, self._path) from error
