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
from maildropd.store.connection import PAGE, Database, primary, wanting_memory
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import BUGS, HARMLESS, Trouble, is_locked

Job = tuple[Callable[[Transaction], Any], Future[Any]]

_NAME = "store-writer"
_GROUP_LIMIT = 500
_WAIT = timedelta(seconds=10)
_PROMISE = timedelta(seconds=30)
_CHECKPOINT_PAGES = 1500  # 6 MB of log; longer costs more at once, not more
_PAGES_PER_JOB = 3


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
        self._again = False  # the change that failed may succeed now
        self._committing = False  # a commit has begun, and has not succeeded

    def submit(self, work: Callable[[Transaction], Any]) -> Future[Any]:
        """Have a change made; the future is done when it is durable."""
        future: Future[Any] = Future()
        with self._lock:
            if not self._closed:
                self._jobs.put((work, future))
                return future
        future.set_exception(StoreUnusable("the store is closed"))
        return future

    def alive(self) -> None:
        """Promise to be heard of again; for what takes long in the loop."""
        self._heartbeats.beat(_NAME, within=_PROMISE)

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
        self.alive()
        try:
            first = self._jobs.get(timeout=self._patience())
        except Empty:
            self._rest()
            return True
        if first is None:
            self._checkpoint()
            return False
        self._together(self._group(first))
        if self._pages > self._most_pages():
            self._checkpoint()
        return True

    def _most_pages(self) -> int:
        """Return after how many the log is emptied: while it has room left."""
        held = self._database.log_room
        return min(held // 2, _CHECKPOINT_PAGES) if held else _CHECKPOINT_PAGES

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
        except (sqlite3.Error, MailError, *BUGS) as error:
            if not self._mend(error):
                for _, future in jobs:
                    future.set_exception(self._trouble.in_doubt(error))
                return
            if isinstance(error, sqlite3.Error) and is_locked(error):
                self._trouble.refuse(jobs, error)  # alone, each would wait for the lock
                return
            for job in jobs:
                self._alone(job)
        else:
            for (_, future), result in zip(jobs, results, strict=True):
                future.set_result(result)

    def _alone(self, job: Job) -> None:
        self._full: sqlite3.Error | None = None  # no room for the change
        while not self._answered(job):
            pass  # it is made again, without the message that is damaged

    def _answered(self, job: Job) -> bool:
        self.alive()
        future = job[1]
        try:
            (result,) = self._commit([job])
        except sqlite3.Error as error:
            undone = self._mend(error)
            if self._again or self._made_room(error):
                return False
            if undone:
                self._trouble.refuse([job], self._full or error)
            else:
                future.set_exception(self._trouble.in_doubt(error))
        except (MailError, *BUGS) as error:
            self._mend(error)
            future.set_exception(error)
        else:
            future.set_result(result)
        return True

    def _made_room(self, error: sqlite3.Error) -> bool:
        """Empty the log, if that may be what has no room."""
        if primary(error) != sqlite3.SQLITE_FULL or not self._pages:
            return False
        self._full = error  # what comes of the next try may be its echo
        self._checkpoint()
        return True

    def _commit(self, jobs: Sequence[Job]) -> list[Any]:
        with wanting_memory():
            return self._transact(jobs)

    def _transact(self, jobs: Sequence[Job]) -> list[Any]:
        self._committing = False
        connection = self._database.connection()
        transaction = Transaction(connection)
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        results = [work(transaction) for work, _ in jobs]
        transaction.write_counts()
        if transaction.admits:
            self._database.allot()
        changed = connection.total_changes != before
        self._committing = True
        connection.execute("COMMIT")
        self._committing = False
        if changed:
            self._trouble.over()
        self._pages += _PAGES_PER_JOB * len(jobs) + transaction.octets // PAGE
        self._after_commit(transaction)
        return results

    def _mend(self, error: Exception) -> bool:
        """Undo what was begun, and replace a connection that may be broken.

        At once, before anybody is told that the change failed: the new
        connection covers what a failed commit may have left in the log.
        Return whether nothing of the change can come back.
        """
        self._again = isinstance(error, sqlite3.Error) and self._trouble.look(error)
        with suppress(sqlite3.Error):  # the first error is the one to tell
            if not isinstance(error, sqlite3.Error) or primary(error) in HARMLESS:
                self._database.rollback()
                return True
        self._database.disconnect()
        with suppress(sqlite3.Error):
            self._database.connection()
            return True
        return not self._committing

    def _checkpoint(self) -> None:
        """Bring the log into the file, while nobody waits for an answer."""
        self._pages = 0
        try:
            self._database.checkpoint()
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
