# SPDX-License-Identifier: Apache-2.0
"""What an operator may do with the queue, and what is said about it.

Works on a store alone, so that it serves in the daemon and, when that is not
running, in the command itself.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

from maildropd.host.clock import Clock
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import TransientError
from maildropd.mail.event import Journal
from maildropd.mail.events import (
    MessageHeld,
    MessageReleased,
    MessageRemoved,
    QueueFlushed,
)
from maildropd.store.base import MessageView, QueueStore, State

T = TypeVar("T")

_PATIENCE = 600  # seconds; a flush of a million recipients takes a while


class NotDone(Exception):
    """What was asked for cannot be done; the text says why."""


def _nobody() -> None:
    """There is no manager to be told: the queue is at rest."""


class Operator:
    """Answers and acts; ``who`` is who asked, for the log."""

    def __init__(
        self,
        store: QueueStore,
        journal: Journal,
        clock: Clock,
        retry_now: Callable[[], None] = _nobody,
    ) -> None:
        """``retry_now`` is called when something has been made due."""
        self._store = store
        self._journal = journal
        self._clock = clock
        self._retry_now = retry_now

    def counts(self) -> Mapping[State, int]:
        """Return how many recipients are in each state."""
        return self._store.counts()

    def oldest(self) -> datetime | None:
        """Return when the oldest message arrived."""
        return self._store.oldest()

    def on_wall(self, at: datetime) -> datetime:
        """Return a time of the queue as people know it."""
        return self._clock.on_wall(at)

    def page(self, after: str, limit: int) -> Sequence[MessageView]:
        """Return some messages, in order, behind a queue id."""
        return self._store.list(after, limit)

    def show(self, queue_id: QueueId) -> MessageView:
        """Return one message."""
        found = self._store.show(queue_id)
        if found is None:
            raise NotDone(f"{queue_id}: is not in the queue")
        return found

    def flush(self, queue_ids: Sequence[QueueId], who: str) -> int:
        """Make deferred recipients due, all or those of some messages."""
        for queue_id in queue_ids:
            self.show(queue_id)
        flushed = _done(self._store.flush(queue_ids, self._clock.now()))
        self._journal.emit(QueueFlushed(recipients=flushed, operator=who))
        self._retry_now()
        return flushed

    def hold(self, queue_id: QueueId, who: str) -> None:
        """Stop further attempts."""
        self.show(queue_id)
        if not _done(self._store.hold(queue_id)):
            raise NotDone(f"{queue_id}: nothing of it is waiting for an attempt")
        self._journal.emit(MessageHeld(queue_id=queue_id, operator=who))

    def release(self, queue_id: QueueId, who: str) -> None:
        """Let held and failed recipients be tried again."""
        self.show(queue_id)
        if not _done(self._store.release(queue_id, self._clock.now())):
            raise NotDone(f"{queue_id}: nothing of it is held or failed")
        self._journal.emit(MessageReleased(queue_id=queue_id, operator=who))
        self._retry_now()

    def remove(self, queue_id: QueueId, who: str) -> None:
        """Take a message out, undelivered."""
        self.show(queue_id)
        if not _done(self._store.remove(queue_id)):
            raise NotDone(f"{queue_id}: is being delivered right now, try again later")
        self._journal.emit(MessageRemoved(queue_id=queue_id, operator=who))


def _done(future: Future[T]) -> T:
    try:
        return future.result(_PATIENCE)
    except (TransientError, TimeoutError) as error:
        raise NotDone(str(error) or "the store does not answer") from error
