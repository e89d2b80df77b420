# SPDX-License-Identifier: Apache-2.0
"""What senders are told of their mail, and what nobody can be told."""

from dataclasses import dataclass
from typing import ClassVar

from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBounced(Event):
    """A report about some recipients is on disk, on its way to the sender."""

    event_id: ClassVar[str] = "e09f3fbd09034c5bb12b0cb97951ce6b"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "{queue_id}: reported to <{sender}> as {bounce}, nrcpt={recipients} ({action})"
    )
    queue_id: QueueId
    sender: str  # who is told
    bounce: QueueId
    recipients: int
    action: str  # of RFC 3464: failed, delayed, relayed, delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyToTell(Event):
    """Mail failed that has no sender; it is kept, for somebody to look at."""

    event_id: ClassVar[str] = "b6cf8ca3e80b4b3fbe17ae6657a6f5c3"
    priority: ClassVar[Priority] = Priority.ERROR
    template: ClassVar[str] = (
        "{queue_id}: failed for {recipients} recipients, and there is nobody to tell:"
        " kept in the queue"
    )
    queue_id: QueueId
    recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesDamped(Event):
    """Too much fails for one sender; the rest is told in one mail."""

    event_id: ClassVar[str] = "a9d48124c58e41db95b6ce22f7ec61af"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "<{sender}> has had {limit} reports within an hour: what follows comes in one"
    )
    sender: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesDigested(Event):
    """What was held back by damping has been told in one mail."""

    event_id: ClassVar[str] = "364df0a530814411a835ab7749aeddf8"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "{bounce}: reports to <{sender}> on {messages} messages, nrcpt={recipients}"
    )
    bounce: QueueId
    sender: str
    messages: int
    recipients: int
