# SPDX-License-Identifier: Apache-2.0
"""The one door in: nobody hears "accepted" before the message is on disk."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from maildropd.config.model import QueueConfig
from maildropd.host.clock import Clock
from maildropd.mail.envelope import Priority, QueueId, Submission, queue_id
from maildropd.mail.errors import MailError, TooLarge, TooManyRecipients
from maildropd.mail.event import Journal
from maildropd.mail.events import MessageAccepted, SubmissionRepeated
from maildropd.store.base import QueueStore, Stored

_TICK = timedelta(microseconds=1)


class QueueIds:
    """New queue ids: each larger than the last, even if the clock is set back."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int]) -> None:
        """Take time from a clock and chance from ``getrandbits`` or the like."""
        self._clock = clock
        self._random_bits = random_bits
        self._lock = threading.Lock()
        self._last: datetime | None = None

    def next(self) -> tuple[QueueId, datetime]:
        """Return a new id and the time it is."""
        now = self._clock.now()
        with self._lock:
            at = now if self._last is None else max(now, self._last + _TICK)
            self._last = at
        return queue_id(at, self._random_bits(10)), now


class Injector:
    """Takes submissions; safe to call from any thread."""

    def __init__(
        self,
        store: QueueStore,
        journal: Journal,
        ids: QueueIds,
        config: QueueConfig,
        on_accepted: Callable[[], None],
    ) -> None:
        """``on_accepted`` is called after each message that is new, by any thread."""
        self._store = store
        self._journal = journal
        self._ids = ids
        self._config = config
        self._on_accepted = on_accepted
        self._priority: Callable[[Submission], Priority] | None = None

    def configure(
        self, config: QueueConfig, priority: Callable[[Submission], Priority] | None
    ) -> None:
        """Go by other limits and priorities from the next submission on."""
        self._config = config
        self._priority = priority

    def submit(self, submission: Submission) -> Future[Stored]:
        """Store a message; the future is done when it survives a power cut.

        The content is read before this returns.  The future may hold what
        ``QueueStore.add`` says, ``TooLarge``, and ``TooManyRecipients``.
        """
        config = self._config
        if len(submission.recipients) > config.recipient_limit:
            return _refused(_too_many(config.recipient_limit))
        queue_id, now = self._ids.next()
        priority = self._priority  # once: a reload may take it away
        if priority is not None:
            submission = replace(submission, priority=priority(submission))
        limited = _limited(submission, config.message_size_limit)
        times = (now, now + config.give_up_after)
        stored = self._store.add(limited, queue_id, times)
        stored.add_done_callback(partial(self._tell, submission))
        return stored

    def _tell(self, submission: Submission, future: Future[Stored]) -> None:
        if future.cancelled() or future.exception():
            return  # whoever submitted it hears why
        stored = future.result()
        if stored.repeated:
            self._journal.emit(
                SubmissionRepeated(
                    queue_id=stored.queue_id, submitter=str(submission.submitter)
                )
            )
            return
        self._journal.emit(_accepted(submission, stored))
        self._on_accepted()


def _too_many(limit: int) -> TooManyRecipients:
    return TooManyRecipients(f"more than {limit} recipients (recipient_limit)")


def _refused(error: MailError) -> Future[Stored]:
    future: Future[Stored] = Future()
    future.set_exception(error)
    return future


def _accepted(submission: Submission, stored: Stored) -> MessageAccepted:
    submitter = submission.submitter
    return MessageAccepted(
        queue_id=stored.queue_id,
        sender=submission.reverse_path or "",
        size=stored.size,
        recipients=len(submission.recipients),
        submitter=submitter.name,
        submitter_uid=submitter.uid,
        submitter_gid=submitter.gid,
        submitter_pid=submitter.pid,
        submitter_unit=submitter.unit,
        submitter_client=submitter.client,
        submitter_surmised="yes" if submitter.surmised else None,
        submitter_rules=submitter.rules or None,
        message_id=submission.message_id,
    )


def _limited(submission: Submission, limit: int) -> Submission:
    return replace(submission, content=_within(submission, limit))


def _within(submission: Submission, limit: int) -> Iterator[bytes]:
    size = 0
    for piece in submission.content:
        size += len(piece)
        if size > limit:
            raise TooLarge(f"larger than {limit} octets (message_size_limit)")
        yield piece
