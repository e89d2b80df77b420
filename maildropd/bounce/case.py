# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: a message, some of its recipients, what befell them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from maildropd.mail.envelope import QueueId
from maildropd.mail.reply import Reply

EXPIRED = "4.4.7"  # RFC 3463 3.5


class Action(StrEnum):
    """What was done about a recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one recipient."""

    forward_path: str
    reply: Reply
    relay: str = ""
    orcpt: str = ""  # as it was said, in xtext
    expired: bool = False  # it was only put off, until it was too old
    at: datetime | None = None  # of the last attempt

    @property
    def status(self) -> str:
        """The enhanced status, as RFC 3464 wants it."""
        return EXPIRED if self.expired else self.reply.status

    @property
    def server(self) -> str:
        """The host that said it; empty if none did."""
        host, _, port = self.relay.rpartition(":")
        return host if port.isdigit() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The message that a report is about; times are those of people."""

    queue_id: QueueId
    reverse_path: str
    arrived: datetime
    message_id: str | None = None
    envid: str = ""  # in xtext


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One report: all its recipients share what was done."""

    mail: Mail
    action: Action
    fates: Sequence[Fate]
    retry_until: datetime | None = None

    def __post_init__(self) -> None:
        """A report about nobody says nothing."""
        if not self.fates:
            raise ValueError("a report needs a recipient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who writes, to whom, when; and what makes the report unique."""

    host: str
    to: str
    now: datetime
    queue_id: QueueId  # of the report
    token: str  # random: nothing that is quoted can hold it

    @property
    def in_utf8(self) -> bool:
        """Tell whether the way there and the reader know UTF-8 in headers."""
        return not self.to.isascii()
