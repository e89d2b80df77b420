# SPDX-License-Identifier: Apache-2.0
"""A store, and short words for what tests do with one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from maildropd.mail.envelope import QueueId, Submission, Submitter, Terms, queue_id
from maildropd.mail.reply import Reply
from maildropd.store.base import (
    Lease,
    LeasedRecipient,
    QueueStore,
    RecipientView,
    Settled,
    Settlement,
    State,
    Stored,
)

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAYS = timedelta(days=5)
WAIT = 20  # seconds until a test gives a future up
BUSY = Reply(451, "4.7.1", "greylisted")
REFUSED = Reply(550, "5.1.1", "no such user")


def submission(
    *recipients: str,
    content: Iterable[bytes] = (b"Subject: hi\r\n\r\n",),
    key: str | None = None,
    lifetime: timedelta | None = None,
    terms: tuple[Terms, ...] = (),
) -> Submission:
    return Submission(
        reverse_path="ann@example.org",
        recipients=recipients or ("bob@example.net",),
        submitter=Submitter(name="spool=drop", uid=1000),
        content=content,
        key=key,
        key_lifetime=lifetime,
        terms=terms,
        message_id="<1@example.org>",
    )


def ids() -> Iterator[QueueId]:
    """Yield queue ids, a second of arrival apart."""
    at = NOON
    while True:
        yield queue_id(at, 0)
        at += SECOND


@dataclass(slots=True)
class Stage:
    """One store; ids in the order of arrival."""

    store: QueueStore
    ids: Iterator[QueueId] = field(default_factory=ids)

    def add(self, *recipients: str, at: datetime = NOON) -> QueueId:
        return self.submit(submission(*recipients), at=at).queue_id

    def add_many(self, number: int) -> list[QueueId]:
        """Add so many, together."""
        times = (NOON, NOON + DAYS)
        added = [
            self.store.add(submission(), next(self.ids), times) for _ in range(number)
        ]
        return [each.result(WAIT).queue_id for each in added]

    def submit(self, what: Submission, at: datetime = NOON) -> Stored:
        return self.store.add(what, next(self.ids), (at, at + DAYS)).result(WAIT)

    def claim(self, limit: int = 100, at: datetime = NOON) -> list[Lease]:
        return self.store.claim(limit, at, at + MINUTE).result(WAIT)

    def settle(self, *settlements: Settlement) -> Settled:
        return self.store.settle(settlements).result(WAIT)

    def deliver(self, lease: Lease) -> Settled:
        return self.settle(*(outcome(lease, n) for n in range(len(lease.recipients))))

    def recipients(self, queue_id: QueueId) -> tuple[RecipientView, ...]:
        view = self.store.show(queue_id)
        return view.recipients if view else ()

    def states(self, queue_id: QueueId) -> list[State]:
        return [one.state for one in self.recipients(queue_id)]

    def counts(self) -> dict[State, int]:
        """Return the counts that are not 0."""
        return {state: n for state, n in self.store.counts().items() if n}

    def content(self, queue_id: QueueId) -> bytes:
        return b"".join(self.store.content(queue_id))


def outcome(
    lease: Lease,
    index: int = 0,
    state: State | None = None,
    reply: Reply | None = None,
    *,
    attempted: bool = True,
) -> Settlement:
    """Say what became of one recipient; deferred ones are due in an hour."""
    waits = state in (State.READY, State.DEFERRED)
    return Settlement(
        queue_id=lease.envelope.queue_id,
        recipient=lease.recipients[index],
        state=state,
        due=NOON + timedelta(hours=1) if waits else None,
        reply=reply,
        relay="mx.example.net:25",
        attempted=attempted,
    )


def paths(recipients: Iterable[LeasedRecipient | RecipientView]) -> list[str]:
    return [one.forward_path for one in recipients]
