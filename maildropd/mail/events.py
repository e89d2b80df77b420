# SPDX-License-Identifier: Apache-2.0
"""The life of a message, as the journal tells it.

Text keeps the form that tools which read mail logs know: ``id: to=<...>, ...``.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event, Priority
from maildropd.mail.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccepted(Event):
    """The message is on disk; from here on it is ours."""

    event_id: ClassVar[str] = "b5fe3216bdb05903a5c31b9d28f68f83"
    template: ClassVar[str] = (
        "{queue_id}: from=<{sender}>, size={size}, nrcpt={recipients}, "
        "submitter={submitter}, uid={submitter_uid}, message-id={message_id} (accepted)"
    )
    queue_id: QueueId
    sender: str
    size: int
    recipients: int
    submitter: str
    submitter_uid: int | None = None
    submitter_gid: int | None = None
    submitter_pid: int | None = None
    submitter_unit: str | None = None
    submitter_client: str | None = None
    submitter_surmised: str | None = None  # "yes": the uid was looked up afterwards
    submitter_rules: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRepeated(Event):
    """The same thing came again, as after a crash; it is stored once."""

    event_id: ClassVar[str] = "fd0ee0eda1dd5e08b6de4169ac1375be"
    template: ClassVar[str] = (
        "{queue_id}: submitted again by {submitter}, already stored (ignored)"
    )
    queue_id: QueueId
    submitter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientDelivered(Event):
    """The next hop took responsibility for this recipient."""

    event_id: ClassVar[str] = "6e68d4a8894153de8c441523ccb4b7a1"
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, relay={relay}, delay={delay}, "
        "dsn={reply.status}, status=delivered ({reply})"
    )
    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientDeferred(Event):
    """A temporary refusal; another attempt follows."""

    event_id: ClassVar[str] = "560f3807ac7353d28671a33d93b136ca"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, relay={relay}, delay={delay}, "
        "dsn={reply.status}, status=deferred ({reply})"
    )
    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int
    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFailed(Event):
    """Refused for good: the sender is told, or it stays visible as failed."""

    event_id: ClassVar[str] = "8650a54cecb75934a6a411c903e671e0"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, relay={relay}, delay={delay}, "
        "dsn={reply.status}, status=failed ({reply})"
    )
    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int
    bounce: QueueId | None = None  # the report about it


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientExpired(Event):
    """Too old: the last temporary refusal has become final."""

    event_id: ClassVar[str] = "7ff21c0b943e535c9f1e6a8381a85c31"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, relay={relay}, delay={delay}, "
        "dsn={reply.status}, status=expired ({reply})"
    )
    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int
    bounce: QueueId | None = None  # the report about it


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientInDoubt(Event):
    """The connection broke after the final dot: taken or not, nobody knows."""

    event_id: ClassVar[str] = "bda643b3c0a25557b064c83ff3127ce7"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, relay={relay}, delay={delay}, "
        "dsn={reply.status}, status=in_doubt ({reply})"
    )
    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int
    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDone(Event):
    """Every recipient was delivered or reported; the message has left the store."""

    event_id: ClassVar[str] = "c1a99fe7b2b6573aa847bc80013ed9d5"
    template: ClassVar[str] = "{queue_id}: removed"
    queue_id: QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeld(Event):
    """An operator stopped further attempts."""

    event_id: ClassVar[str] = "271b565460a354f49da50966a8d07c6c"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "{queue_id}: held by {operator}"
    queue_id: QueueId
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReleased(Event):
    """An operator let the message go on."""

    event_id: ClassVar[str] = "4a5025980ad05517896f7557ef57e8a2"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "{queue_id}: released by {operator}"
    queue_id: QueueId
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRemoved(Event):
    """An operator took the message out of the queue, undelivered."""

    event_id: ClassVar[str] = "b5f232bc5d70589db0212a92eb84ca2c"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "{queue_id}: removed undelivered by {operator}"
    queue_id: QueueId
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFlushed(Event):
    """An operator asked for an attempt now."""

    event_id: ClassVar[str] = "2748e84473c85c1d97701944ccc847bd"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "{recipients} recipients made due by {operator}"
    recipients: int
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuarantined(Event):
    """A file in the drop is no message we can send; it was set aside."""

    event_id: ClassVar[str] = "f80c643f488356d9bdee0849ab410281"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "spool {spool}: {file}: quarantined as {quarantine} ({reason})"
    )
    spool: str
    file: str
    quarantine: str
    reason: str
    submitter_uid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLeftAlone(Event):
    """A file in the drop can neither be taken nor be set aside."""

    event_id: ClassVar[str] = "d68d2ad16d5250cfbfaad1510034d6c0"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "spool {spool}: {file}: left alone ({reason})"
    spool: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost(Event):
    """An outcome came too late: somebody else had taken the recipient over."""

    event_id: ClassVar[str] = "bccad8df8a6c55ff8c2a616af3ff52ce"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "{queue_id}: to=<{recipient}>, outcome {outcome} came after the lease was lost"
    )
    queue_id: QueueId
    recipient: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLost(Event):
    """The content of a queued message cannot be read; its recipients are held."""

    event_id: ClassVar[str] = "d3c5477fdff75414ad4a121d46e6ec17"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = (
        "{queue_id}: content cannot be read, message held ({reason})"
    )
    queue_id: QueueId
    reason: str
