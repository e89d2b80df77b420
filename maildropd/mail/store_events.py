# SPDX-License-Identifier: Apache-2.0
"""What happens to the store's disk and files, and what is done about it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from maildropd.mail.event import Event, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeStopped(Event):
    """The store has no room for new mail; what is queued is delivered all the same."""

    event_id: ClassVar[str] = "4930cd806f15585f642fc4cb6f666e92"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = (
        "store: no new mail is taken, what is queued is delivered ({reason})"
    )
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeResumed(Event):
    """There is room again; what waited in the drop is taken."""

    event_id: ClassVar[str] = "54daf9a1e2581f08142047be746d06dd"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "store: new mail is taken again after {delay} s"
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDamaged(Event):
    """The database is not what was written; what can be read goes on."""

    event_id: ClassVar[str] = "fbd82bbf71a821fc6d049a2767fa1eb1"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = "store {path}: damaged ({reason}); {copy}"
    path: str
    reason: str
    copy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUnreadable(Event):
    """What the store says of one message cannot be read; it is left alone."""

    event_id: ClassVar[str] = "46e123eb816774f05a9b9b57d202bfbf"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = "{queue_id}: left alone, the store is damaged ({reason})"
    queue_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansKept(Event):
    """Content without a message was set aside: its message may come back."""

    event_id: ClassVar[str] = "4e9363722eb83b9e1485b179ba2bc467"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "store: {files} content files without a message were moved to {path}"
    )
    files: int
    path: str
