# SPDX-License-Identifier: Apache-2.0
"""What a queue on disk promises; SQLite keeps it, and others can.

Writes return a future that is done when the write is durable, so that many
callers share one commit.  Reads return at once.  Nothing here may say how it
is stored: tests/unit/store/conformance.py runs on this interface alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from maildropd.host.clock import Mark
from maildropd.mail.envelope import (
    DEFAULT_TERMS,
    Envelope,
    QueueId,
    Submission,
    Terms,
)
from maildropd.mail.reply import Reply


class State(StrEnum):
    """The states of a recipient on disk; who was delivered is gone."""

    READY = "ready"  # never tried
    DEFERRED = "deferred"  # tried, and waiting for its due time
    HOLD = "hold"  # stopped by an operator, or because its content is lost
    FAILED = "failed"  # refused for good or too old; kept to be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of a submission."""

    queue_id: QueueId
    size: int
    repeated: bool = False  # its key was known: nothing new was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRecipient:
    """One recipient that is ours to try, until the lease ends."""

    number: int  # of the recipient within its message
    forward_path: str
    attempts: int  # made before this one
    fence: int  # a later lease of the same recipient has a larger one
    terms: Terms = DEFAULT_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A message and those of its recipients that were due, leased together."""

    envelope: Envelope
    give_up: datetime
    recipients: tuple[LeasedRecipient, ...]
    turn: datetime  # when it was due: given back for then, it keeps its place
    octets: bytes | None = None  # the content, if it is small and was at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is to become of one leased recipient.

    ``state`` None means delivered: the recipient goes, and with the last one
    the message.  ``attempted`` False gives the recipient back as it was (the
    route broke; it says nothing about the mail): attempts do not count up,
    and a reply is recorded only if there is one.
    """

    queue_id: QueueId
    recipient: LeasedRecipient
    state: State | None
    due: datetime | None = None  # for READY and DEFERRED
    reply: Reply | None = None
    relay: str = ""
    attempted: bool = True
    in_doubt: bool = False  # it may have been delivered; remembered from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message of our own about others, to be stored with what it tells."""

    submission: Submission
    queue_id: QueueId
    arrived: datetime
    give_up: datetime
    about: QueueId | None = None  # the one of which something must be recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a group of settlements did."""

    lost: tuple[Settlement, ...] = ()  # the fence had moved on: nothing was done
    done: tuple[QueueId, ...] = ()  # messages that left the store
    noticed: tuple[QueueId, ...] = ()  # notices that were stored


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """One recipient, to be shown to people."""

    number: int  # within its message
    forward_path: str
    state: State
    due: datetime | None
    attempts: int
    leased: bool
    reply: Reply | None
    relay: str
    terms: Terms = DEFAULT_TERMS
    in_doubt: bool = False  # one attempt was cut off after the final dot


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One message, to be shown to people."""

    envelope: Envelope
    give_up: datetime
    recipients: tuple[RecipientView, ...]


class QueueStore(Protocol):
    """The queue on disk.

    All methods may be called from any thread.  A future may hold
    ``StoreFull`` or ``StoreUnusable`` (nothing of that call was done), or
    ``MailError`` raised by the content of a submission.  Times are aware,
    and the queue's (host/clock.py).
    A lease has an owner (one process start); ``take_over`` ends leases of
    all other owners.
    """

    def add(
        self,
        submission: Submission,
        queue_id: QueueId,
        times: tuple[datetime, datetime],
    ) -> Future[Stored]:
        """Store a submission; ``times`` are its arrival and give-up time.

        The content is read in the caller's thread before this returns.  When
        the future is done, message, recipients and key survive a power cut.
        Of the submitter, door, uid, unit and rules are kept.
        A key with a lifetime counts for just as long, from the arrival of the
        message that it came with; another counts until it is forgotten.
        """
        ...

    def forget_keys(self, keys: Sequence[str]) -> Future[None]:
        """Let submission keys be used anew: what they named is gone for good."""
        ...

    def take_over(self, now: datetime) -> Future[int]:
        """End the leases of former owners; return how many there were."""
        ...

    def keep_mark(self, mark: Mark) -> Future[None]:
        """Remember where the queue's time is; a store tells its clock when opened."""
        ...

    def claim(self, limit: int, now: datetime, until: datetime) -> Future[list[Lease]]:
        """Lease up to ``limit`` due recipients (ready or deferred), oldest due first.

        A message's due recipients come together in one lease, even past the
        limit.  A lease that is not settled by ``until`` falls due again.
        """
        ...

    def renew(self, lease: Lease, until: datetime) -> Future[bool]:
        """Prolong a lease; False when any of it was lost."""
        ...

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[Notice] = ()
    ) -> Future[Settled]:
        """Record what came of leased recipients and end their leases.

        The notices are stored in the same change, or, if nothing of it could
        be recorded any more, not at all.
        """
        ...

    def cursor(self) -> str:
        """Return the last message that was looked at for its age, or ""."""
        ...

    def keep_cursor(self, at: str, notices: Sequence[Notice] = ()) -> Future[Settled]:
        """Move that cursor, and store in the same change what was found."""
        ...

    def content(self, queue_id: QueueId) -> Iterator[bytes]:
        """Yield the stored octets, in pieces.

        Raise ``ContentGone`` if they are lost or have changed, at the end at
        the latest; ``StoreUnusable`` if they cannot be read just now.
        """
        ...

    def next_due(self) -> datetime | None:
        """Return when the next ready or deferred recipient falls due."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Return how many recipients are in each state, without a full scan."""
        ...

    def oldest(self) -> datetime | None:
        """Return when the oldest message arrived."""
        ...

    def list(self, after: str, limit: int) -> Sequence[MessageView]:
        """Return up to ``limit`` messages with ids greater than ``after``, in order."""
        ...

    def show(self, queue_id: QueueId) -> MessageView | None:
        """Return one message, or None."""
        ...

    def hold(self, queue_id: QueueId) -> Future[bool]:
        """Stop further attempts; False if there was nothing to hold.

        A leased recipient is held when its attempt ends without delivery.
        """
        ...

    def release(self, queue_id: QueueId, now: datetime) -> Future[bool]:
        """Make held and failed recipients due; False if there were none."""
        ...

    def remove(self, queue_id: QueueId) -> Future[bool]:
        """Take a message out, undelivered; False if unknown or being delivered."""
        ...

    def flush(self, queue_ids: Sequence[QueueId], now: datetime) -> Future[int]:
        """Make due what waits for its time, all or some messages'; count it."""
        ...

    def close(self) -> None:
        """Finish all writes, and let go of the files."""
        ...
