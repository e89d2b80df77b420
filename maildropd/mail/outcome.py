# SPDX-License-Identifier: Apache-2.0
"""What one attempt came to, for one recipient."""

from dataclasses import dataclass, replace
from enum import StrEnum

from maildropd.mail.reply import Reply


class Disposition(StrEnum):
    """The three things that can come of an attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


class Sign(StrEnum):
    """What an outcome says about the way there, beside the mail."""

    OPEN = "open"  # the server answered about this mail
    CUT = "cut"  # the conversation ended before an answer; the mail is blamed
    CROWDED = "crowded"  # too many at once: this one may come right behind
    UNWELCOME = "unwelcome"  # refused by policy: this mail, or all of ours


class Passed(StrEnum):
    """How far who was delivered has come, for a sender who asks (RFC 3461)."""

    RELAYED = "relayed"  # to a server that tells nobody what becomes of it
    DELIVERED = "delivered"  # here: there is nothing beyond
    PROMISED = "promised"  # to a server that tells the sender itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one recipient, in the server's words."""

    disposition: Disposition
    reply: Reply
    relay: str  # "mx.example.net:25": who said so
    in_doubt: bool = False  # cut between final dot and reply (RFC 1047)
    sign: Sign = Sign.OPEN
    passed: Passed = Passed.RELAYED  # says nothing unless it was delivered

    @classmethod
    def here(cls, reply: Reply, relay: str) -> "Outcome":
        """Make an outcome of what ends on this host."""
        return replace(cls.of(reply, relay), passed=Passed.DELIVERED)

    @classmethod
    def of(cls, reply: Reply, relay: str, sign: Sign = Sign.OPEN) -> "Outcome":
        """Read the disposition off the reply."""
        if reply.positive:
            disposition = Disposition.DELIVERED
        elif reply.transient:
            disposition = Disposition.DEFERRED
        else:
            disposition = Disposition.FAILED
        return cls(disposition=disposition, reply=reply, relay=relay, sign=sign)

    @classmethod
    def waiting(cls, reply: Reply, relay: str, sign: Sign = Sign.OPEN) -> "Outcome":
        """Make an outcome that waits, whatever the reply says."""
        if not reply.transient:
            text = f"{reply.code} {reply.text}"
            reply = Reply(451, f"4{reply.status[1:]}", text)
        return cls.of(reply, relay, sign)
