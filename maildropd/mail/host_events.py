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
