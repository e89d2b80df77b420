# SPDX-License-Identifier: Apache-2.0
"""From outcomes to settlements: what becomes of each recipient, and what is said.

Decisions only, no input or output.  Local trouble never fails mail: only the
server's 5yz for that recipient does, or age (docs/QUEUE.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from maildropd.bounce.case import Action
from maildropd.bounce.rules import Wish, wants
from maildropd.mail.envelope import Envelope
from maildropd.mail.event import Event
from maildropd.mail.events import (
    RecipientDeferred,
    RecipientDelivered,
    RecipientExpired,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.outcome import Disposition, Outcome, Passed
from maildropd.mail.reply import Reply
from maildropd.queue.backoff import Backoff
from maildropd.queue.words import told
from maildropd.store.base import Lease, LeasedRecipient, Settlement, State

# Of what another server tells, we need not.
_SUCCESSES: Mapping[Passed, Action] = {
    Passed.RELAYED: Action.RELAYED,
    Passed.DELIVERED: Action.DELIVERED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One recipient's settlement, and the event that tells it once it is kept."""

    settlement: Settlement
    event: Event | None
    envelope: Envelope | None = None  # of what somebody may have to be told
    action: Action | None = None  # as what; None: nobody is

    @property
    def comes_again(self) -> bool:
        """Tell whether the recipient is to be tried again."""
        return self.settlement.due is not None

    @property
    def expired(self) -> bool:
        """Tell whether it was too old."""
        return isinstance(self.event, RecipientExpired)


class Judge:
    """Knows the back-off; asked once per attempt."""

    def __init__(self, backoff: Backoff, jitter: Callable[[], float]) -> None:
        """``jitter`` returns a number in [0, 1)."""
        self._backoff = backoff
        self._jitter = jitter

    def judge(
        self, lease: Lease, outcomes: Sequence[Outcome], now: datetime
    ) -> list[Verdict]:
        """Return a verdict per recipient; outcomes are in their order."""
        pairs = zip(lease.recipients, outcomes, strict=True)
        return [self._one(lease, recipient, out, now) for recipient, out in pairs]

    def give_back(
        self,
        lease: Lease,
        now: datetime,
        reply: Reply | None,
        relay: str,
        *,
        final: bool = True,
    ) -> list[Verdict]:
        """Return recipients as they were: the route said nothing about them.

        Only age turns a broken route into a failure, and only if it is final.
        """
        expired = final and reply is not None and now >= lease.give_up
        due = now if reply is None else min(now, lease.turn)
        return [
            _expired(lease, recipient, _deferred(reply, relay), now)
            if expired and reply
            else _untouched(lease, recipient, due, reply, relay)
            for recipient in lease.recipients
        ]

    def postpone(
        self, lease: Lease, now: datetime, reply: Reply, pause: timedelta
    ) -> list[Verdict]:
        """Return recipients for later: trouble of ours, which no age makes final."""
        outcome = _deferred(reply, "none")
        return [
            replace(
                _untouched(lease, recipient, now + pause, reply, ""),
                event=RecipientDeferred(
                    **told(lease, recipient, outcome, now), retry_in=pause
                ),
            )
            for recipient in lease.recipients
        ]

    def _one(
        self, lease: Lease, recipient: LeasedRecipient, outcome: Outcome, now: datetime
    ) -> Verdict:
        match outcome.disposition:
            case Disposition.DELIVERED:
                delivered = RecipientDelivered(**told(lease, recipient, outcome, now))
                return _settled(lease, recipient, outcome, delivered)
            case Disposition.FAILED:
                failed = RecipientFailed(**told(lease, recipient, outcome, now))
                return _settled(lease, recipient, outcome, failed, Action.FAILED)
            case Disposition.DEFERRED if now >= lease.give_up:
                return _expired(lease, recipient, outcome, now)
            case Disposition.DEFERRED:
                return self._deferred(lease, recipient, outcome, now)

    def _deferred(
        self, lease: Lease, recipient: LeasedRecipient, outcome: Outcome, now: datetime
    ) -> Verdict:
        delay = self._backoff.delay(recipient.attempts + 1, self._jitter())
        what = told(lease, recipient, outcome, now)
        kind = RecipientInDoubt if outcome.in_doubt else RecipientDeferred
        settlement = Settlement(
            queue_id=lease.envelope.queue_id,
            recipient=recipient,
            state=State.DEFERRED,
            due=now + delay,
            reply=outcome.reply,
            relay=outcome.relay,
            in_doubt=outcome.in_doubt,
        )
        return Verdict(settlement=settlement, event=kind(**what, retry_in=delay))


def joined(lease: Lease, newer: Lease) -> Lease:
    """Return the recipients of both leases, with the newer fences."""
    recipients = {each.number: each for each in lease.recipients}
    recipients |= {each.number: each for each in newer.recipients}
    return replace(lease, recipients=tuple(recipients.values()))


def refenced(verdicts: Sequence[Verdict], newer: Lease) -> list[Verdict]:
    """Return verdicts that hold under a newer lease of the same recipients."""
    fences = {each.number: each for each in newer.recipients}
    return [
        replace(
            each,
            settlement=replace(
                each.settlement, recipient=fences[each.settlement.recipient.number]
            ),
        )
        for each in verdicts
    ]


def beyond(newer: Lease, lease: Lease) -> Lease:
    """Return what the newer lease has more."""
    tried = {each.number for each in lease.recipients}
    more = tuple(each for each in newer.recipients if each.number not in tried)
    return replace(newer, recipients=more)


def forgotten(done: RecipientDelivered) -> RecipientInDoubt:
    """Return what is to be told of a delivery that the store did not record."""
    text = f"delivered, but the store would not record it: {done.reply}"
    return RecipientInDoubt(
        queue_id=done.queue_id,
        recipient=done.recipient,
        relay=done.relay,
        delay=done.delay,
        reply=Reply(451, "4.3.0", text),
        attempt=done.attempt,
        retry_in=timedelta(0),
    )


def _settled(
    lease: Lease,
    recipient: LeasedRecipient,
    outcome: Outcome,
    event: Event,
    action: Action | None = None,
) -> Verdict:
    """Return what is final; who asked for it hears of a success."""
    settlement = Settlement(
        queue_id=lease.envelope.queue_id,
        recipient=recipient,
        state=State.FAILED if action is Action.FAILED else None,
        reply=outcome.reply,
        relay=outcome.relay,
    )
    if action is None and wants(recipient.terms, Wish.SUCCESS):
        action = _SUCCESSES.get(outcome.passed)
    envelope = lease.envelope if action else None
    return Verdict(settlement=settlement, event=event, envelope=envelope, action=action)


def _expired(
    lease: Lease, recipient: LeasedRecipient, outcome: Outcome, now: datetime
) -> Verdict:
    event = RecipientExpired(**told(lease, recipient, outcome, now))
    return _settled(lease, recipient, outcome, event, Action.FAILED)


def _deferred(reply: Reply, relay: str) -> Outcome:
    return Outcome(disposition=Disposition.DEFERRED, reply=reply, relay=relay)


def _untouched(
    lease: Lease,
    recipient: LeasedRecipient,
    now: datetime,
    reply: Reply | None,
    relay: str,
) -> Verdict:
    settlement = Settlement(
        queue_id=lease.envelope.queue_id,
        recipient=recipient,
        state=State.DEFERRED if recipient.attempts else State.READY,
        due=now,
        reply=reply,
        relay=relay,
        attempted=False,
    )
    return Verdict(settlement=settlement, event=None)
