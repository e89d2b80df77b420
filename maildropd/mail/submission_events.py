# SPDX-License-Identifier: Apache-2.0
"""What happens at the doors, before anything is stored."""

from dataclasses import dataclass
from typing import ClassVar

from maildropd.mail.event import Event, Priority
from maildropd.mail.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRefused(Event):
    """Somebody was told no: nothing of this is stored."""

    event_id: ClassVar[str] = "6c2f0b7d9a5e4e63b1a8d3f4c7e2915a"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "refused: from=<{sender}>, submitter={submitter}, uid={submitter_uid}, "
        "dsn={reply.status} ({reason})"
    )
    submitter: str
    submitter_uid: int | None = None
    submitter_unit: str | None = None
    submitter_client: str | None = None
    sender: str
    reason: str
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasesWrong(Event):
    """A line of the aliases or the forward map, or the file, cannot be used."""

    event_id: ClassVar[str] = "83f1c6a40b2d4a7fa4f5d09be7c81362"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "{place}: {reason}"
    place: str
    reason: str
