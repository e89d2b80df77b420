# SPDX-License-Identifier: Apache-2.0
"""A queue of many mails, due or deferred, put there by the store itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bench import mails
from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import Submission, Submitter, queue_id
from maildropd.mail.event import Event
from maildropd.mail.reply import Reply
from maildropd.store.base import Settlement, State
from maildropd.store.sqlite import SqliteStore

_BATCH = 1000
_AT_ONCE = 16 * 1024 * 1024  # octets of mail that wait for one commit
_LATER = timedelta(days=2)
_REPLY = Reply(451, "4.2.0", "come again")


class Silent:
    """A journal nobody reads."""

    def emit(self, event: Event) -> None:
        """Do nothing."""


def fill_store(folder: Path, count: int, size: int = mails.SIZE) -> None:
    """Make the store of a daemon's folder, with so many mails deferred."""
    step = _step(size)
    with _store(folder) as store:
        for start in range(0, count, step):
            _add(store, range(start, min(start + step, count)), size)
            _defer(store)


def fill_due(folder: Path, count: int, size: int = mails.SIZE) -> None:
    """Make such a store with mails that were never tried, and are due."""
    step = _step(size)
    with _store(folder) as store:
        for start in range(0, count, step):
            _add(store, range(start, min(start + step, count)), size)


def store_one(
    folder: Path, recipients: Sequence[str], *, deferred: bool = False
) -> None:
    """Make such a store with one mail to many."""
    with _store(folder) as store:
        now = SystemClock().now()
        store.add(
            _submission(0, recipients, mails.SIZE),
            queue_id(now, 0),
            (now, now + timedelta(days=5)),
        ).result()
        if deferred:
            _defer(store)


def _step(size: int) -> int:
    return max(1, min(_BATCH, _AT_ONCE // size))


@contextmanager
def _store(folder: Path) -> Iterator[SqliteStore]:
    state = folder / "state"
    (state / "content").mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    store = SqliteStore(state, "bench", Silent(), clock, Heartbeats(clock))
    try:
        yield store
    finally:
        store.close()


def _add(store: SqliteStore, numbers: range, size: int = mails.SIZE) -> None:
    # In the past, and not so far that senders would be told of the delay.
    now = SystemClock().now() - timedelta(hours=1)
    stored = [
        store.add(
            _submission(number, [mails.recipient(number)], size),
            queue_id(now + timedelta(milliseconds=number), number),
            (now, now + timedelta(days=5)),
        )
        for number in numbers
    ]
    for each in stored:
        each.result()


def _submission(number: int, recipients: Sequence[str], size: int) -> Submission:
    return Submission(
        reverse_path=mails.SENDER,
        recipients=tuple(recipients),
        submitter=Submitter(name="spool=drop", uid=1000),
        content=[mails.message(number, size)],
        message_id=f"<{number}@bench.example.org>",
    )


def _defer(store: SqliteStore) -> None:
    now = SystemClock().now()
    leases = store.claim(_BATCH, now, now + timedelta(hours=1)).result()
    settlements = [
        Settlement(
            queue_id=lease.envelope.queue_id,
            recipient=recipient,
            state=State.DEFERRED,
            due=now + _LATER,
            reply=_REPLY,
            relay="127.0.0.1:25",
        )
        for lease in leases
        for recipient in lease.recipients
    ]
    store.settle(settlements).result()
