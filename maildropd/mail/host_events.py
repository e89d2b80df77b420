# SPDX-License-Identifier: Apache-2.0
"""What the host does to us."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from maildropd.mail.event import Event, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped(Event):
    """Somebody set the host's clock; the queue's time goes on evenly."""

    event_id: ClassVar[str] = "c81de967392742ef9615bb8c6e364c62"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "the host's clock was set by {by} s, retries and expiry stay as they were"
    )
    by: timedelta  # forward; back if negative


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptorsShort(Event):
    """The limit of open files leaves no room for all that is configured."""

    event_id: ClassVar[str] = "66745e9e67c8444cb8d108610f1a259d"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "only {limit} file descriptors: {connections} connections to the relay, "
        "{waiting} spools wait"
    )
    limit: int
    connections: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLogFailed(Event):
    """The log in another system's form cannot be written; mail goes on."""

    event_id: ClassVar[str] = "e44e0de88f2d3dc363f359ec8a43cb76"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "log {path}: cannot be written ({reason})"
    path: str
    reason: str
