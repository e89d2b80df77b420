# SPDX-License-Identifier: Apache-2.0
"""Who sends what to whom, before it is stored and after."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

QueueId = NewType("QueueId", str)
"""Twelve characters of Crockford's base 32; sorts by time of arrival."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EPOCH = 1_577_836_800_000_000  # 2020-01-01, in microseconds
_RANDOM_BITS = 10


def queue_id(at: datetime, random: int) -> QueueId:
    """Make an id of a time of arrival and ten random bits.

    Fifty bits of microseconds since 2020 last until 2055; the random bits
    keep two hosts, or a clock that was set back, from making the same id.
    """
    since = round(at.timestamp() * 1_000_000) - _EPOCH
    number = max(since, 0) << _RANDOM_BITS | random & (1 << _RANDOM_BITS) - 1
    digits = (_ALPHABET[number >> shift & 31] for shift in range(55, -1, -5))
    return QueueId("".join(digits))


def is_queue_id(text: str) -> bool:
    """Tell whether a text an operator typed can be a queue id at all."""
    return len(text) == 12 and set(text) <= set(_ALPHABET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who handed the message over: the kernel's word, not the message's."""

    name: str  # "spool=drop", later "socket", "sendmail"
    uid: int | None = None

    def __str__(self) -> str:
        return self.name if self.uid is None else f"{self.name} uid={self.uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message with its envelope, on its way to the store.

    ``content`` yields the octets in order, once, with line ends as handed
    over; it may raise a ``MailError`` half way, and then nothing is stored.
    """

    reverse_path: str | None  # None is the null reverse-path, "<>"
    recipients: tuple[str, ...]
    submitter: Submitter
    content: Iterable[bytes]
    key: str | None = None  # the same key submitted again is stored once
    message_id: str | None = None  # the header field, for the log

    def __post_init__(self) -> None:
        """A message to nobody cannot be delivered, only lost."""
        if not self.recipients:
            raise ValueError("a submission needs a recipient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One accepted message, as the sender handed it over."""

    queue_id: QueueId
    reverse_path: str | None
    arrived: datetime
    size: int  # octets, as stored
    submitter: Submitter
    message_id: str | None = None

    @property
    def may_bounce(self) -> bool:
        """A null reverse-path marks a bounce; bounces are never bounced."""
        return self.reverse_path is not None
