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
from maildropd.mail.errors import MailError, StoreFull, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.service_events import StoreMigrated
from maildropd.store import adding, claiming, leasing, marks, operating
from maildropd.store.base import (
    Lease,
    MessageView,
    Notice,
    Settled,
    Settlement,
    State,
    Stored,
)
from maildropd.store.connection import Database, translating
from maildropd.store.content import ROW_LIMIT, ContentFolder
from maildropd.store.notices import drop_file, drop_refused, keep_cursor, prepare
from maildropd.store.opening import examine, lock, open_database
from maildropd.store.reading import Reader
from maildropd.store.reserve import lend, log_of
from maildropd.store.retiring import Failures
from maildropd.store.schema import Schema
from maildropd.store.sweeping import sweep
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import Trouble
from maildropd.store.unreadable import Holder, Unreadable
from maildropd.store.upkeep import Upkeep
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
        self._holder = Holder(owner=owner, unreadable=Unreadable(journal))
        self._journal = journal
        path = directory / "queue.db"
        trouble = Trouble(path, journal, clock)
        with ExitStack() as undo, translating(path):
            self._lock = lock(directory)
            undo.callback(os.close, self._lock)
            database = self._open(path, clock, undo)
            undo.pop_all()
        trouble.on_damage = self._upkeep.damaged
        self.room = self._upkeep.room
        self.failures = Failures(self._reader, self._holder, self._telling)
        self._writer = Writer(
            database, self._committed, self._upkeep, heartbeats, trouble
        )
        self._upkeep.be_heard(self._writer.alive)
        self._reader.on_damage = partial(
            self._change, lambda _, reason: self._upkeep.damaged(reason)
        )
        # A daemon thread: an end without close is a crash, and survived as one.
        self._thread = threading.Thread(
            target=self._writer.run, name="store-writer", daemon=True
        )
        self._closing = threading.Lock()
        self._thread.start()

    def _open(self, path: Path, clock: QueueClock, undo: ExitStack) -> Database:
        """Open all that is open for as long as the store is."""
        schema = Schema.current()
        examine(path, schema, clock.now())
        had_log = log_of(path).exists()
        lend(path)
        connection, version = open_database(path, schema)
        if version != schema.version:
            self._journal.emit(
                StoreMigrated(path=str(path), old=version, new=schema.version)
            )
        self._upkeep = Upkeep(path, self._holder.unreadable, self._journal, clock)
        undo.callback(self._upkeep.reserve.close)
        database = Database(path, connection, self._upkeep.reserve)
        undo.callback(database.disconnect)
        self._content = ContentFolder(path.with_name("content"))
        self._reader = Reader(path, self._content, self._holder)
        undo.callback(self._reader.close)
        lost = self._upkeep.begin(database, had_log=had_log)
        if mark := self._reader.mark():
            clock.go_on(mark)
        sweep(self._content, self._reader, self._journal, trusting=not lost)
        return database

    def configure(self, reserve: int) -> None:
        """Keep so many octets of the disk free of new mail."""
        self._change(self._upkeep.configure, reserve)

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
        size = 0
        try:
            self.room.admit()
            size = ROW_LIMIT
            kept = self._content.keep(queue_id, submission.content)
        except MailError as error:
            if isinstance(error, (StoreFull, StoreUnusable)):
                self.room.refused(error, size)
            return _refused(error)
        future = self._writer.submit(
            adding.Add(
                queue_id=queue_id,
                submission=submission,
                kept=kept,
                arrived=times[0],
                give_up=times[1],
                turns=self._holder.turns,
            )
        )
        future.add_done_callback(partial(self.room.answered, kept.size))
        if submission.key_lifetime is not None and self._upkeep.owes_a_step():
            self._change(self._upkeep.purge)
        if kept.octets is None:
            future.add_done_callback(partial(drop_file, self._content, queue_id))
        return future

    def forget_keys(self, keys: Sequence[str]) -> Future[None]:
        return self._change(adding.forget_keys, keys)

    def take_over(self, now: datetime) -> Future[int]:
        return self._change(leasing.take_over, self._holder, now)

    def keep_mark(self, mark: Mark) -> Future[None]:
        return self._change(marks.keep, mark)

    def claim(self, limit: int, now: datetime, until: datetime) -> Future[list[Lease]]:
        return self._change(claiming.claim, self._holder, limit, now, until)

    def renew(self, lease: Lease, until: datetime) -> Future[bool]:
        return self._change(leasing.renew, self._owner, lease, until)

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[Notice] = ()
    ) -> Future[Settled]:
        return self._telling(notices, leasing.settle, self._holder, settlements)

    def keep_cursor(self, at: str, notices: Sequence[Notice] = ()) -> Future[Settled]:
        return self._telling(notices, keep_cursor, at)

    def cursor(self) -> str:
        return self._reader.cursor()

    def _telling(
        self, notices: Sequence[Notice], work: Callable[..., Any], *values: object
    ) -> Future[Any]:
        try:
            adds = prepare(notices, self._content, self._holder.turns)
        except MailError as error:
            return _refused(error)
        future = self._change(work, *values, adds)
        if adds:
            future.add_done_callback(drop_refused(adds, self._content))
        return future

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
        return operating.Flush(self._writer, self._holder, now).future

    def close(self) -> None:
        """Finish what was handed over, then let go; more than once is no harm."""
        with self._closing:
            self._change(self._upkeep.end)
            self._writer.stop()
            self._thread.join()
            if self._lock >= 0:
                self._upkeep.reserve.keep_log()
                self._reader.close()
                self._upkeep.reserve.close()
                os.close(self._lock)
            self._lock = -1


def _refused(error: MailError) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
