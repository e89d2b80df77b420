# SPDX-License-Identifier: Apache-2.0
"""What the store is asked; answered at once, beside the writer.

Reads see what is committed.  They share one connection, one at a time, and
none lasts, so that the log can always be brought into the file.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from maildropd.host.clock import Mark
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import ContentGone
from maildropd.store import marks, notices
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
from maildropd.store.trouble import is_damage
from maildropd.store.unreadable import Holder

_CONTENT = (
    "SELECT size, sha256, file, octets FROM message LEFT JOIN content"
    " ON content.number = ? WHERE queue_id = ?"
)
_NEXT_DUE = (
    "SELECT min(due) FROM ("
    "SELECT min(due) AS due FROM recipient WHERE state = 'ready' UNION ALL "
    "SELECT min(due) AS due FROM recipient WHERE state = 'deferred')"
)
_NEXT_READABLE = (
    "SELECT due FROM recipient WHERE state = ? AND queue_id"
    " NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT 1"
)
_TALLY = "SELECT state, recipients FROM tally"
_OLDEST = "SELECT arrived FROM message ORDER BY queue_id LIMIT 1"
# All failed ones have the same due time, none: the index has them by queue id.
_FAILED = (
    "SELECT DISTINCT queue_id FROM recipient WHERE state = 'failed'"
    " AND due IS NULL AND queue_id > ? ORDER BY queue_id LIMIT ?"
)


class Reader:
    """The reading half of the store."""

    def __init__(self, path: Path, content: ContentFolder, holder: Holder) -> None:
        """Open a connection of its own; it stays until ``close``.

        Being open is of use by itself, see connection.py on failed commits.
        """
        self._path = path
        self._content = content
        self._holder = holder
        self._lock = threading.Lock()
        self._connection = connect(path)
        self.on_damage: Callable[[str], object] = _nobody

    def content(self, queue_id: QueueId) -> Iterator[bytes]:
        """Yield the stored octets, checked against their digest."""
        row = self._content_row(queue_id)
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

    def _content_row(self, queue_id: QueueId) -> Row | None:
        values = (number(queue_id), queue_id)
        with self._reading() as connection:
            try:
                found: Row | None = connection.execute(_CONTENT, values).fetchone()
            except sqlite3.Error as error:
                if is_damage(error):
                    self.on_damage(str(error))
                    raise ContentGone(
                        f"content of {queue_id} in {self._path}: {error}"
                    ) from error
                raise
        return found

    def next_due(self) -> datetime | None:
        """Return the earliest due time, by two looks into the index."""
        ids = self._holder.unreadable.ids
        with self._reading() as connection:
            if not ids:
                found = connection.execute(_NEXT_DUE).fetchall()
            else:
                found = [
                    due
                    for state in ("ready", "deferred")
                    for due in connection.execute(_NEXT_READABLE, (state, ids))
                ]
        return min((time(due) for (due,) in found if due is not None), default=None)

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

    def cursor(self) -> str:
        """Return the last message that was looked at for its age."""
        with self._reading() as connection:
            return notices.cursor(connection)

    def failed(self, after: str, limit: int) -> Sequence[QueueId]:
        """Return messages with failed recipients, by a look into the index."""
        with self._reading() as connection:
            rows = connection.execute(_FAILED, (after, limit))
            return [QueueId(row[0]) for row in rows]

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
                        row, connection.execute(RECIPIENTS, row[:1]), self._holder.owner
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
                if is_damage(error):
                    self.on_damage(str(error))
                raise translated(error, self._path) from error


def _nobody(_: str) -> None:
    """Nobody sees to damage."""
