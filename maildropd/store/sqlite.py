# SPDX-License-Identifier: Apache-2.0
"""The queue on SQLite: the store a host has unless it is told otherwise.

Everything here hands over to the writer (one thread, group commit) or to the
reader (any thread).  docs/QUEUE.md says why no crash between loses mail.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from maildropd.host.clock import Mark, QueueClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId, Submission
from maildropd.mail.errors import MailError, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.service_events import OrphansSwept, StoreMigrated
from maildropd.store import adding, leasing, marks, operating
from maildropd.store.base import Lease, MessageView, Settled, Settlement, State, Stored
from maildropd.store.connection import Database
from maildropd.store.content import ContentFolder
from maildropd.store.housekeeping import Housekeeping
from maildropd.store.opening import lock, open_database
from maildropd.store.reading import Reader
from maildropd.store.schema import Schema
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import Trouble
from maildropd.store.writer import Writer


class SqliteStore:
    """``QueueStore`` on a file, for one process at a time."""

    def __init__(
        self,
        directory: Path,
        owner: str,
        journal: Journal,
        clock: QueueClock,
        heartbeats: Heartbeats,
    ) -> None:
        """Open the store in a directory, and sweep up after a crash.

        ``owner`` names this start of the process; no other start may have
        the same.  The clock goes on from what the store has.
        Raise ``StoreUnusable`` if it is locked, or not ours.
        """
        self._owner = owner
        self._journal = journal
        path = directory / "queue.db"
        with ExitStack() as undo:
            self._lock = lock(directory)
            undo.callback(os.close, self._lock)
            database = self._open(path)
            undo.callback(database.disconnect)
            self._content = ContentFolder(directory / "content")
            self._reader = Reader(path, self._content, owner)
            undo.callback(self._reader.close)
            self._take_up(clock)
            undo.pop_all()
        self._writer = Writer(
            database,
            self._committed,
            Housekeeping(clock),
            heartbeats,
            Trouble(path, journal, clock),
        )
        # A daemon thread: an end without close is a crash, and survived as one.
        self._thread = threading.Thread(
            target=self._writer.run, name="store-writer", daemon=True
        )
        self._closing = threading.Lock()
        self._thread.start()

    def _open(self, path: Path) -> Database:
        schema = Schema.current()
        connection, version = open_database(path, schema)
        if version != schema.version:
            self._journal.emit(
                StoreMigrated(path=str(path), old=version, new=schema.version)
            )
        return Database(path, connection)

    def _take_up(self, clock: QueueClock) -> None:
        """Go on from where the last run was, however it ended."""
        if mark := self._reader.mark():
            clock.go_on(mark)
        swept = self._content.sweep(self._reader.is_named)
        if swept:
            self._journal.emit(OrphansSwept(files=swept))

    def _committed(self, transaction: Transaction) -> None:
        """Let follow what may only follow a commit; in the writer's thread."""
        for file in transaction.doomed:
            self._content.remove(file)

    def _change(self, work: Callable[..., Any], *values: object) -> Future[Any]:
        return self._writer.submit(lambda transaction: work(transaction, *values))

    def add(
        self,
        submission: Submission,
        queue_id: QueueId,
        times: tuple[datetime, datetime],
    ) -> Future[Stored]:
        """Keep the content in the caller's thread, then commit what names it."""
        try:
            kept = self._content.keep(queue_id, submission.content)
        except MailError as error:
            refused: Future[Stored] = Future()
            refused.set_exception(error)
            return refused
        future = self._writer.submit(
            adding.Add(
                queue_id=queue_id,
                submission=submission,
                kept=kept,
                arrived=times[0],
                give_up=times[1],
            )
        )
        if kept.octets is None:
            future.add_done_callback(partial(self._drop_refused, queue_id))
        return future

    def _drop_refused(self, queue_id: QueueId, future: Future[Stored]) -> None:
        """Remove the file of what was not stored.

        Not when the store is unusable: a commit that failed may have reached
        the disk; the file waits for the sweep, which knows.
        """
        failed = None if future.cancelled() else future.exception()
        if future.cancelled() or (failed and not isinstance(failed, StoreUnusable)):
            self._content.remove(queue_id)

    def forget_keys(self, keys: Sequence[str]) -> Future[None]:
        return self._change(adding.forget_keys, keys)

    def take_over(self, now: datetime) -> Future[int]:
        return self._change(leasing.take_over, self._owner, now)

    def keep_mark(self, mark: Mark) -> Future[None]:
        return self._change(marks.keep, mark)

    def claim(self, limit: int, now: datetime, until: datetime) -> Future[list[Lease]]:
        return self._change(leasing.claim, self._owner, limit, now, until)

    def renew(self, lease: Lease, until: datetime) -> Future[bool]:
        return self._change(leasing.renew, self._owner, lease, until)

    def settle(self, settlements: Sequence[Settlement]) -> Future[Settled]:
        return self._change(leasing.settle, self._owner, settlements)

    def content(self, queue_id: QueueId) -> Iterator[bytes]:
        return self._reader.content(queue_id)

    def next_due(self) -> datetime | None:
        return self._reader.next_due()

    def counts(self) -> Mapping[State, int]:
        return self._reader.counts()

    def oldest(self) -> datetime | None:
        return self._reader.oldest()

    def list(self, after: str, limit: int) -> Sequence[MessageView]:
        return self._reader.list(after, limit)

    def show(self, queue_id: QueueId) -> MessageView | None:
        return self._reader.show(queue_id)

    def hold(self, queue_id: QueueId) -> Future[bool]:
        return self._change(operating.hold, self._owner, queue_id)

    def release(self, queue_id: QueueId, now: datetime) -> Future[bool]:
        return self._change(operating.release, queue_id, now)

    def remove(self, queue_id: QueueId) -> Future[bool]:
        return self._change(operating.remove, self._owner, queue_id)

    def flush(self, queue_ids: Sequence[QueueId], now: datetime) -> Future[int]:
        if queue_ids:
            return self._change(operating.flush_these, self._owner, queue_ids, now)
        return operating.Flush(self._writer, self._owner, now).future

    def close(self) -> None:
        """Finish what was handed over, then let go; more than once is no harm."""
        with self._closing:
            self._writer.stop()
            self._thread.join()
            self._reader.close()
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1
