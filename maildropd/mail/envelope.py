# SPDX-License-Identifier: Apache-2.0
"""Who sends what to whom, before it is stored and after."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
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
    digits = [_ALPHABET[number >> shift & 31] for shift in range(55, -1, -5)]
    return QueueId("".join(digits))


def is_queue_id(text: str) -> bool:
    """Tell whether a text an operator typed can be a queue id at all."""
    return len(text) == 12 and set(text) <= set(_ALPHABET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who handed the message over: the kernel's word, not the message's.

    ``uid`` is the authority; ``pid`` and ``unit`` are labels for people, as
    they were when somebody connected.  ``surmised`` marks a uid that was looked
    up by the ports of a TCP connection, after the fact.
    """

    name: str  # the door: "spool=drop", "sendmail", "smtp"
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    unit: str | None = None  # "cron.service"
    client: str | None = None  # the address of a TCP client
    surmised: bool = False
    rules: str = ""  # the [submitter NAME] section that applied, if any

    def __str__(self) -> str:
        uid = "" if self.uid is None else f" uid={self.uid}"
        return f"{self.name}{uid}{'?' if uid and self.surmised else ''}"


class Priority(StrEnum):
    """Which share of the turns a submitter gets while mail piles up."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms one recipient is served.

    The first two are wishes of the sender (RFC 3461), kept as they were said;
    an empty one was not said.
    """

    notify: str = ""  # "NEVER", or of "SUCCESS,FAILURE,DELAY"
    orcpt: str = ""  # "rfc822;bob@example.org", in xtext
    run: str = ""  # "|command" or "/file" of an alias: done here, never relayed


DEFAULT_TERMS = Terms()


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
    key_lifetime: timedelta | None = None  # None: until it is forgotten by name
    message_id: str | None = None  # the header field, for the log
    terms: tuple[Terms, ...] = ()  # one for each recipient, or none at all
    ret: str = ""  # "FULL" or "HDRS" (RFC 3461 4.3)
    envid: str = ""  # in xtext (RFC 3461 4.4)
    verp: str = ""  # "+=" and the like: each recipient has a reverse-path of his own
    priority: Priority = Priority.NORMAL
    hold: bool = False  # no attempt until somebody releases it

    def __post_init__(self) -> None:
        """A message to nobody cannot be delivered, only lost."""
        if not self.recipients:
            raise ValueError("a submission needs a recipient")
        if self.terms and len(self.terms) != len(self.recipients):
            raise ValueError("terms are for each recipient, or for none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One accepted message, as the sender handed it over."""

    queue_id: QueueId
    reverse_path: str | None
    arrived: datetime
    size: int  # octets, as stored
    submitter: Submitter
    message_id: str | None = None
    ret: str = ""
    envid: str = ""
    verp: str = ""

    @property
    def may_bounce(self) -> bool:
        """A null reverse-path marks a bounce; bounces are never bounced."""
        return self.reverse_path is not None
