# SPDX-License-Identifier: Apache-2.0
"""A relay that takes nothing of ours is a matter for people, not for bounces."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import RouteError
from maildropd.mail.events import (
    MessageDone,
    RecipientDeferred,
    RecipientExpired,
    RecipientFailed,
)
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteAlarm, RouteFailed, RouteRestored
from maildropd.queue.standing import Belief, Standing
from maildropd.relay.base import Delivery
from maildropd.store.base import State
from tests.fakes.transport import accept
from tests.unit.queue.desk import HOP, Desk

DENIED = "<%s>: Relay access denied (in reply to RCPT)"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, connections=1)
    yield desk
    desk.stop()


def denied(delivery: Delivery) -> tuple[Outcome, ...]:
    return tuple(
        Outcome.of(Reply(554, "5.7.1", DENIED % path), HOP.destination, Sign.UNWELCOME)
        for path in delivery.recipients
    )


def cut(delivery: Delivery) -> tuple[Outcome, ...]:
    reply = Reply(451, "4.4.2", "connection closed by the server (at MAIL)")
    waits = Outcome.waiting(reply, HOP.destination, Sign.CUT)
    return (waits,) * len(delivery.recipients)


def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
    raise RouteError("connection refused")


def test_a_relay_that_denies_everything_fails_nothing_and_is_told_once(
    desk: Desk,
) -> None:
    """A changed list of networks at the smarthost bounced all mail of a night."""
    desk.relay.script = denied
    for number in range(20):
        desk.add(f"r{number}@x")
    desk.start()
    (alarm,) = desk.journal.wait_for(RouteAlarm)
    desk.journal.wait_for(RecipientDeferred, 3)
    for asked in range(4, 8):
        desk.go(timedelta(minutes=5))
        desk.journal.wait_for(RecipientDeferred, asked)

    assert alarm.retry_in == timedelta(minutes=1)
    assert "554 <r2@x>: Relay access denied" in alarm.text()
    assert len(desk.journal.of(RouteAlarm)) == 1
    assert not desk.journal.of(RecipientFailed)
    assert len(desk.relay.seen) == 7
    assert sum(desk.store.counts().values()) == 20

    desk.relay.script = accept
    desk.go(timedelta(hours=8))
    desk.journal.wait_for(MessageDone, 20)
    assert len(desk.journal.of(RouteRestored)) == 1


def test_one_mail_denied_among_others_that_go_fails_at_its_next_attempt(
    desk: Desk,
) -> None:
    """Nobody waits five days to hear that a recipient is not allowed."""
    desk.relay.script = lambda d: denied(d) if "bad@x" in d.recipients else accept(d)
    desk.add("bad@x")
    desk.start()
    (waits,) = desk.journal.wait_for(RecipientDeferred)
    desk.add("good@x")
    desk.manager.wake()
    desk.journal.wait_for(MessageDone)

    desk.go(waits.retry_in)
    (failed,) = desk.journal.wait_for(RecipientFailed)

    assert str(waits.reply) == "451 554 " + DENIED % "bad@x"
    assert str(failed.reply) == "554 " + DENIED % "bad@x"
    assert not desk.journal.of(RouteAlarm)


def test_while_all_mail_is_denied_the_next_one_is_still_asked_about_within_a_minute(
    desk: Desk,
) -> None:
    """Three bad mails in a row on a quiet host must not hold up a good one."""
    desk.relay.script = lambda d: denied(d) if "bad" in d.recipients[0] else accept(d)
    for number in range(3):
        desk.add(f"bad{number}@x")
    desk.start()
    desk.journal.wait_for(RouteAlarm)
    desk.add("good@x")

    desk.go(timedelta(minutes=1))

    desk.journal.wait_for(MessageDone)
    desk.journal.wait_for(RouteRestored)


def test_a_conversation_cut_off_does_not_close_the_breaker(desk: Desk) -> None:
    """A server that hung up on every mail was said to be reachable again each time."""
    desk.relay.script = refuse
    desk.add()
    desk.start()
    desk.journal.wait_for(RouteFailed)
    desk.relay.script = cut

    desk.go(timedelta(seconds=1))
    desk.journal.wait_for(RecipientDeferred)

    assert desk.breaker.broken is not None
    assert not desk.journal.of(RouteRestored)


def test_what_is_too_old_for_a_broken_route_goes_together(desk: Desk) -> None:
    """One of a thousand equally old mails failed per minute, and the others waited."""
    desk.relay.script = refuse
    for number in range(250):
        desk.add(f"old{number}@x")
    desk.start()
    desk.journal.wait_for(RouteFailed)
    desk.clock.forward(timedelta(days=5))
    young = {desk.add(f"young{number}@x") for number in range(3)}

    desk.manager.wake()
    expired = desk.journal.wait_for(RecipientExpired, 250)

    assert len({each.queue_id for each in expired}) == 250
    assert {each.reply.text for each in expired} == {"connection refused"}
    assert len(desk.relay.seen) <= 3
    waiting = {view.envelope.queue_id for view in desk.store.list("", 500)} & young
    assert waiting == young
    assert desk.store.counts()[State.READY] == 3


def test_old_mail_gets_a_chance_when_the_host_was_off(desk: Desk) -> None:
    """After a week without power the network came up a minute after the daemon."""
    desk.add("old@x")
    desk.clock.forward(timedelta(days=6))
    desk.relay.script = refuse
    desk.start()
    desk.journal.wait_for(RouteFailed)

    desk.relay.script = accept
    desk.go(timedelta(seconds=1))

    desk.journal.wait_for(MessageDone)
    assert not desk.journal.of(RecipientExpired)


def test_a_message_is_believed_to_be_meant_once_another_was_taken_since() -> None:
    standing = Standing()
    one, two = QueueId("000000000001"), QueueId("000000000002")

    assert standing.refused(one) is Belief.OPEN
    assert standing.refused(one) is Belief.OPEN
    standing.taken()
    assert standing.refused(two) is Belief.OPEN
    assert standing.refused(one) is Belief.ABOUT_MAIL


def test_the_same_message_refused_again_and_again_is_no_alarm() -> None:
    standing = Standing()

    for _ in range(10):
        assert standing.refused(QueueId("000000000001")) is Belief.OPEN


def test_what_is_remembered_of_refused_mail_is_bounded() -> None:
    standing = Standing()
    for number in range(20_000):
        standing.refused(QueueId(f"{number:012}"))
    standing.taken()

    believed = [
        standing.refused(QueueId(f"{n:012}")) is Belief.ABOUT_MAIL
        for n in (19_999, 10_000, 9_999, 0)
    ]

    assert believed == [True, True, False, False]
