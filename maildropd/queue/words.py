# SPDX-License-Identifier: Apache-2.0
"""Events of attempts, and what all of those about a recipient tell."""

from datetime import datetime, timedelta
from typing import TypedDict

from maildropd.mail.envelope import QueueId
from maildropd.mail.events import LeaseLost
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply
from maildropd.store.base import Lease, LeasedRecipient, Settlement


class Told(TypedDict):
    """Their fields."""

    queue_id: QueueId
    recipient: str
    relay: str
    delay: timedelta
    reply: Reply
    attempt: int


def told(
    lease: Lease, recipient: LeasedRecipient, outcome: Outcome, now: datetime
) -> Told:
    return Told(
        queue_id=lease.envelope.queue_id,
        recipient=recipient.forward_path,
        relay=outcome.relay,
        delay=now - lease.envelope.arrived,
        reply=outcome.reply,
        attempt=recipient.attempts + 1,
    )


def lease_lost(settlement: Settlement) -> LeaseLost:
    """Return what is told of an outcome that came too late."""
    return LeaseLost(
        queue_id=settlement.queue_id,
        recipient=settlement.recipient.forward_path,
        outcome=settlement.state or Disposition.DELIVERED,
    )
