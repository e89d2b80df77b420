# SPDX-License-Identifier: Apache-2.0
"""One thread writes; whatever waits meanwhile shares the next commit.

A commit costs one sync of the disk, whether it carries one change or five
hundred.  A caller hears of its change after that sync, never before.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import MailError, StoreUnusable
from maildropd.store.connection import Database, primary
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import Trouble

Job = tuple[Callable[[Transaction], Any], Future[Any]]

_NAME = "store-writer"
_GROUP_LIMIT = 500
_WAIT = timedelta(seconds=10)
_PROMISE = timedelta(seconds=30)
_CHECKPOINT_PAGES = 1500  # 6 MB of log; longer costs more at once, not more
_PAGES_PER_JOB = 3
_PAGE = 4096

# What SQLite says of one statement, or of the room left; after anything else
# the connection is not trusted any more.
_HARMLESS = frozenset(
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG)
)
# A bug of ours in one change, or a value that SQLite cannot hold; that change
# fails, and no other.
_BUGS = (
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


class Writer:
    """The queue of changes and the loop that commits them in groups."""

    def __init__(
        self,
        database: Database,
        after_commit: Callable[[Transaction], None],
        idle: Callable[[Transaction], bool],
        heartbeats: Heartbeats,
        trouble: Trouble,
    ) -> None:
        """Commit to a database; ``idle`` is a change for quiet moments.

        It returns whether it has more to do at once.
        """
        self._database = database
        self._after_commit = after_commit
        self._idle = idle
        self._heartbeats = heartbeats
        self._trouble = trouble
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._pages = 0  # written to the log since the last checkpoint
        self._more_idle_work = True
        self._in_hand: Sequence[Job] = ()

    def submit(self, work: Callable[[Transaction], Any]) -> Future[Any]:
        """Have a change made; the future is done when it is durable."""
        future: Future[Any] = Future()
        with self._lock:
            if not self._closed:
                self._jobs.put((work, future))
                return future
        future.set_exception(StoreUnusable("the store is closed"))
        return future

    def stop(self) -> None:
        """Let the loop end after what was submitted until now."""
        with self._lock:
            self._closed = True
            self._jobs.put(None)

    def run(self) -> None:
        """Commit until stopped."""
        try:
            while self._round():
                pass
            # Not after a bug: then the promise is broken, and the watchdog barks.
            self._heartbeats.rest(_NAME)
        finally:
            self._refuse_the_rest()
            self._database.disconnect()

    def _round(self) -> bool:
        self._heartbeats.beat(_NAME, within=_PROMISE)
        try:
            first = self._jobs.get(timeout=self._patience())
        except Empty:
            self._rest()
            return True
        if first is None:
            self._checkpoint()
            return False
        self._together(self._group(first))
        if self._pages > _CHECKPOINT_PAGES:
            self._checkpoint()
        return True

    def _patience(self) -> float:
        return 0.05 if self._more_idle_work else _WAIT.total_seconds()

    def _group(self, first: Job) -> list[Job]:
        taken = [first]
        while len(taken) < _GROUP_LIMIT and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)  # nothing can come after it
                break
            taken.append(job)
        return [job for job in taken if job[1].set_running_or_notify_cancel()]

    def _together(self, jobs: Sequence[Job]) -> None:
        """Commit a group; if that fails, each on its own.

        So one bad change cannot fail the others that share its commit.
        """
        self._in_hand = jobs
        try:
            results = self._commit(jobs)
        except (sqlite3.Error, MailError, *_BUGS) as error:
            self._mend(error)
            for job in jobs:
                self._alone(job)
        else:
            for (_, future), result in zip(jobs, results, strict=True):
                future.set_result(result)

    def _alone(self, job: Job) -> None:
        self._heartbeats.beat(_NAME, within=_PROMISE)
        future = job[1]
        try:
            (result,) = self._commit([job])
        except sqlite3.Error as error:
            self._mend(error)
            future.set_exception(self._trouble.struck(error))
        except (MailError, *_BUGS) as error:
            self._mend(error)
            future.set_exception(error)
        else:
            future.set_result(result)

    def _commit(self, jobs: Sequence[Job]) -> list[Any]:
        connection = self._database.connection()
        transaction = Transaction(connection)
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        results = [work(transaction) for work, _ in jobs]
        transaction.write_counts()
        changed = connection.total_changes != before
        connection.execute("COMMIT")
        if changed:
            self._trouble.over()
        self._pages += _PAGES_PER_JOB * len(jobs) + transaction.octets // _PAGE
        self._after_commit(transaction)
        return results

    def _mend(self, error: Exception) -> None:
        """Undo what was begun, and replace a connection that may be broken.

        At once, before anybody is told that the change failed: the new
        connection covers what a failed commit may have left in the log.
        """
        with suppress(sqlite3.Error):  # the first error is the one to tell
            if not isinstance(error, sqlite3.Error) or primary(error) in _HARMLESS:
                self._database.rollback()
                return
        self._database.disconnect()
        with suppress(sqlite3.Error):
            self._database.connection()

    def _checkpoint(self) -> None:
        """Bring the log into the file, while nobody waits for an answer."""
        self._pages = 0
        try:
            self._database.connection().execute("PRAGMA wal_checkpoint").fetchall()
        except sqlite3.Error as error:
            self._mend(error)
            self._trouble.struck(error)

    def _rest(self) -> None:
        """Use a quiet moment."""
        done: Future[bool] = Future()
        self._alone((self._idle, done))
        self._more_idle_work = done.exception() is None and done.result()
        if self._pages and not self._more_idle_work:
            self._checkpoint()

    def _refuse_the_rest(self) -> None:
        """Let nobody wait for a thread that is gone."""
        with self._lock:
            self._closed = True
        waiting = [job for job in self._in_hand if not job[1].done()]
        while not self._jobs.empty():
            job = self._jobs.get()
            if job and job[1].set_running_or_notify_cancel():
                waiting.append(job)
        for _, future in waiting:
            future.set_exception(StoreUnusable("the store is closed"))
