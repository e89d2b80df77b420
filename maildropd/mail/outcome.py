# SPDX-License-Identifier: Apache-2.0
"""What one attempt came to, for one recipient."""

from dataclasses import dataclass
from enum import StrEnum

from maildropd.mail.reply import Reply


class Disposition(StrEnum):
    """The three things that can come of an attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one recipient, in the server's words."""

    disposition: Disposition
    reply: Reply
    relay: str  # "mx.example.net:25": who said so
    in_doubt: bool = False  # cut between final dot and reply (RFC 1047)

    @classmethod
    def of(cls, reply: Reply, relay: str) -> "Outcome":
        """Read the disposition off the reply."""
        if reply.positive:
            disposition = Disposition.DELIVERED
        elif reply.transient:
            disposition = Disposition.DEFERRED
        else:
            disposition = Disposition.FAILED
        return cls(disposition=disposition, reply=reply, relay=relay)
