# SPDX-License-Identifier: Apache-2.0
"""What becomes of each recipient, by outcome and age."""

from datetime import timedelta

from maildropd.mail.envelope import Envelope, QueueId, Submitter
from maildropd.mail.events import (
    RecipientDeferred,
    RecipientDelivered,
    RecipientExpired,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply
from maildropd.queue.backoff import Backoff
from maildropd.queue.verdict import Judge, beyond, joined, refenced
from maildropd.store.base import Lease, LeasedRecipient, State
from tests.fakes.clock import FakeClock

NOW = FakeClock().now()
JUDGE = Judge(
    Backoff(first=timedelta(minutes=5), slowest=timedelta(hours=4)), jitter=lambda: 0.0
)


def recipient(number: int, attempts: int = 0, fence: int = 1) -> LeasedRecipient:
    return LeasedRecipient(
        number=number,
        forward_path=f"r{number}@example.net",
        attempts=attempts,
        fence=fence,
    )


def lease(*recipients: LeasedRecipient, age: timedelta = timedelta(0)) -> Lease:
    envelope = Envelope(
        queue_id=QueueId("0123456789AB"),
        reverse_path="a@example.org",
        arrived=NOW - age,
        size=10,
        submitter=Submitter(name="spool=drop", uid=1000),
    )
    return Lease(
        envelope=envelope,
        give_up=NOW - age + timedelta(days=5),
        turn=NOW,
        recipients=recipients,
    )


def outcome(code: int, status: str, *, in_doubt: bool = False) -> Outcome:
    reply = Reply(code, status, "said")
    if in_doubt:
        return Outcome(
            disposition=Disposition.DEFERRED, reply=reply, relay="mx:25", in_doubt=True
        )
    return Outcome.of(reply, "mx:25")


def test_each_recipient_gets_its_own_verdict() -> None:
    """A partial refusal: deliver the good, keep the temporary, fail the bad."""
    outcomes = [outcome(250, "2.0.0"), outcome(451, "4.2.0"), outcome(550, "5.1.1")]

    verdicts = JUDGE.judge(
        lease(recipient(0), recipient(1), recipient(2)), outcomes, NOW
    )

    assert [each.settlement.state for each in verdicts] == [
        None,
        State.DEFERRED,
        State.FAILED,
    ]
    assert [type(each.event) for each in verdicts] == [
        RecipientDelivered,
        RecipientDeferred,
        RecipientFailed,
    ]


def test_the_wait_doubles_with_the_recipients_own_attempts() -> None:
    outcomes = [outcome(451, "4.2.0")] * 2

    verdicts = JUDGE.judge(
        lease(recipient(0, attempts=0), recipient(1, attempts=2)), outcomes, NOW
    )

    assert verdicts[0].settlement.due == NOW + timedelta(minutes=5)
    assert verdicts[1].settlement.due == NOW + timedelta(minutes=20)


def test_a_temporary_refusal_of_old_mail_is_final() -> None:
    verdicts = JUDGE.judge(
        lease(recipient(0), age=timedelta(days=5)), [outcome(451, "4.2.0")], NOW
    )

    assert verdicts[0].settlement.state is State.FAILED
    assert isinstance(verdicts[0].event, RecipientExpired)
    assert verdicts[0].event.reply.text == "said"


def test_an_unknown_fate_is_tried_again_and_marked() -> None:
    verdicts = JUDGE.judge(
        lease(recipient(0)), [outcome(451, "4.4.2", in_doubt=True)], NOW
    )

    assert verdicts[0].settlement.state is State.DEFERRED
    assert isinstance(verdicts[0].event, RecipientInDoubt)
    assert verdicts[0].settlement.in_doubt


def test_a_broken_route_counts_no_attempt_and_says_nothing() -> None:
    given_back = JUDGE.give_back(
        lease(recipient(0), recipient(1, attempts=3)),
        NOW,
        Reply(451, "4.4.1", "refused"),
        "mx:25",
    )

    assert [each.settlement.state for each in given_back] == [
        State.READY,
        State.DEFERRED,
    ]
    assert not any(each.settlement.attempted for each in given_back)
    assert [each.event for each in given_back] == [None, None]


def test_a_route_broken_longer_than_give_up_after_fails_the_mail() -> None:
    given_back = JUDGE.give_back(
        lease(recipient(0), age=timedelta(days=6)),
        NOW,
        Reply(451, "4.4.1", "refused"),
        "mx:25",
    )

    assert given_back[0].settlement.state is State.FAILED
    assert isinstance(given_back[0].event, RecipientExpired)


def test_work_that_never_started_is_given_back_whatever_its_age() -> None:
    given_back = JUDGE.give_back(
        lease(recipient(0), age=timedelta(days=6)), NOW, None, ""
    )

    assert given_back[0].settlement.state is State.READY


def test_a_newer_lease_of_the_same_message_is_joined() -> None:
    """The clock jumped, and more recipients fell due, while one was on the wire."""
    first = lease(recipient(0, fence=1))
    newer = lease(recipient(0, fence=2), recipient(1, fence=7))

    both = joined(first, newer)
    verdicts = refenced(JUDGE.judge(first, [outcome(250, "2.0.0")], NOW), both)

    assert [each.settlement.recipient.fence for each in verdicts] == [2]
    assert [each.number for each in beyond(both, first).recipients] == [1]
