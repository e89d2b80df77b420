# SPDX-License-Identifier: Apache-2.0
"""One message to many goes over several connections, and stays one message."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.bounce_events import MessageBounced
from maildropd.mail.errors import RouteError, StoreUnusable
from maildropd.mail.events import (
    MessageDone,
    RecipientDeferred,
    RecipientDelivered,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteCrowded, RouteFailed
from maildropd.mail.service_events import InternalError
from maildropd.relay.base import Delivery
from maildropd.store.base import State
from tests.fakes.transport import accept
from tests.unit.bounce.reading import read
from tests.unit.queue.desk import Desk

MANY = tuple(f"r{number}@x" for number in range(35))
FULL = RouteError("too many", Reply(421, "4.7.0", "too many connections"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Four connections, and ten recipients in a transaction."""
    desk = Desk(tmp_path, connections=4, together=10)
    yield desk
    desk.relay.gate.set()
    desk.stop()


def once_each(desk: Desk, recipients: tuple[str, ...] = MANY) -> bool:
    return desk.delivered() == dict.fromkeys(recipients, 1)


def helps() -> bool:
    """Tell whether this is not the message's own connection."""
    return threading.current_thread().name.endswith("+")


def test_a_message_to_many_goes_over_several_connections_at_once(desk: Desk) -> None:
    """Ten transactions, one after the other, took a second and a half."""
    desk.relay.gate.clear()
    desk.add(*MANY)
    desk.start()

    for _ in range(4):
        assert desk.relay.arrived.acquire(timeout=10)
    desk.relay.gate.set()
    desk.journal.wait_for(MessageDone)

    assert once_each(desk)
    shares = [recipients for _, recipients, _ in desk.relay.seen]
    assert sorted(map(len, shares)) == [5, 10, 10, 10]
    assert len({octets for _, _, octets in desk.relay.seen}) == 1
    assert len(desk.journal.of(MessageDone)) == 1


def test_no_more_are_used_than_there_may_be(desk: Desk) -> None:
    desk.add(*(f"r{number}@x" for number in range(500)))
    desk.start()
    desk.journal.wait_for(MessageDone)

    assert desk.relay.opened == len(desk.relay.seen) == 4
    desk.until(lambda: desk.relay.open == 1)


def test_one_transaction_needs_one_connection(desk: Desk) -> None:
    desk.add(*MANY[:10])
    desk.start()
    desk.journal.wait_for(MessageDone)

    assert desk.relay.opened == len(desk.relay.seen) == 1


def test_a_relay_that_serves_one_connection_gets_all_over_that(desk: Desk) -> None:
    def one(delivery: Delivery) -> tuple[Outcome, ...]:
        if helps():
            raise FULL
        return accept(delivery)

    desk.relay.script = one
    desk.add(*MANY)
    desk.start()
    desk.journal.wait_for(MessageDone)

    assert once_each(desk)
    (told,) = desk.journal.of(RouteCrowded)
    assert told.connections == 1
    assert not desk.journal.of(RouteFailed)
    desk.add(*MANY)
    desk.manager.wake()
    desk.journal.wait_for(MessageDone, 2)
    assert desk.relay.opened == 4  # it is not asked for more at once


def test_who_got_it_does_not_get_it_again_when_the_own_connection_fails(
    desk: Desk,
) -> None:
    def others(delivery: Delivery) -> tuple[Outcome, ...]:
        if helps():
            return accept(delivery)
        raise FULL

    desk.relay.script = others
    desk.add(*MANY)
    desk.start()
    waiting = desk.journal.wait_for(RecipientDeferred, 10)
    desk.until(lambda: len(desk.journal.of(RecipientDelivered)) == 25)

    assert {each.reply.text for each in waiting} == {"too many connections"}
    desk.relay.script = accept
    desk.go_until_done(1, timedelta(minutes=5))
    assert once_each(desk)


@pytest.mark.parametrize("error", [StoreUnusable("no descriptor"), MemoryError()])
def test_trouble_of_ours_with_one_share_holds_up_no_other(
    desk: Desk, error: Exception
) -> None:
    troubles = [error, error]

    def trouble(delivery: Delivery) -> tuple[Outcome, ...]:
        if "r5@x" in delivery.recipients and troubles:
            raise troubles.pop()
        return accept(delivery)

    desk.relay.script = trouble
    desk.add(*MANY)
    desk.start()
    desk.go_until_done(1, timedelta(minutes=5))

    assert once_each(desk)
    assert not desk.journal.of(RouteFailed)


def test_a_bug_on_the_way_of_one_share_is_told_and_doubles_nothing(desk: Desk) -> None:
    bugs = [LookupError("a bug")]

    def bug(delivery: Delivery) -> tuple[Outcome, ...]:
        if "r20@x" in delivery.recipients and bugs:
            raise bugs.pop()
        return accept(delivery)

    desk.relay.script = bug
    desk.add(*MANY)
    desk.start()
    desk.go_until_done(1, timedelta(minutes=5))

    assert once_each(desk)
    (told,) = desk.journal.of(InternalError)
    assert "a bug" in told.error
    doubted = desk.journal.of(RecipientInDoubt)
    assert "r20@x" in {each.recipient for each in doubted}


def test_without_a_thread_more_all_goes_over_the_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name.endswith("+"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    desk.add(*MANY)
    desk.start()
    desk.journal.wait_for(MessageDone)

    assert once_each(desk)
    assert desk.relay.opened == 1
    assert not desk.journal.of(RouteCrowded)


def test_a_broken_way_is_probed_with_one_connection(desk: Desk) -> None:
    def gone(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteError("connection refused")

    desk.relay.script = gone
    desk.add(*MANY)
    desk.start()
    desk.journal.wait_for(RouteFailed)
    desk.until(lambda: not desk.manager.in_flight)
    knocks = len(desk.relay.seen)

    desk.go(timedelta(minutes=2))
    desk.until(lambda: len(desk.relay.seen) > knocks and not desk.manager.in_flight)

    assert knocks == 4
    assert len(desk.relay.seen) == 5
    desk.relay.script = accept
    desk.go_until_done(1, timedelta(minutes=5))
    assert once_each(desk)


def test_who_failed_over_several_ways_is_told_in_one_report(desk: Desk) -> None:
    """A report for each connection would be ten for one message."""

    def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
        if not delivery.envelope.reverse_path:
            return accept(delivery)
        no = Outcome.of(Reply(550, "5.1.1", "no such user"), "fake:25")
        yes = accept(delivery)[1:]
        return (no, *yes)

    desk.relay.script = refuse
    desk.add(*MANY, sender="ann@example.org")
    desk.start()
    (told,) = desk.journal.wait_for(MessageBounced)
    desk.journal.wait_for(MessageDone, 2)

    assert len(desk.journal.of(RecipientFailed)) == 4
    desk.until(lambda: len(desk.relay.seen) == 5)
    (octets,) = [each[2] for each in desk.relay.seen if each[0] == told.bounce]
    named = [each["Final-Recipient"] for each in read(octets).recipients]
    assert named == [f"rfc822; r{number}@x" for number in (0, 10, 20, 30)]


def test_a_hurried_stop_breaks_all_connections_off(desk: Desk) -> None:
    desk.relay.gate.clear()
    desk.add(*MANY)
    desk.start()
    for _ in range(4):
        assert desk.relay.arrived.acquire(timeout=10)

    desk.manager.stop(lambda: False)
    desk.started = False

    assert desk.store.counts()[State.READY] == 35
    assert not desk.journal.of(RecipientDelivered)


def test_a_slow_share_is_no_hung_loop(desk: Desk) -> None:
    """The watchdog was told of the last step, not of the longest."""
    last, finish = threading.Event(), threading.Event()
    begun = {"r0@x": threading.Event(), "r30@x": threading.Event()}

    def patience(delivery: Delivery) -> timedelta:
        if "r30@x" in delivery.recipients:
            return timedelta(minutes=10)
        assert begun["r30@x"].wait(10)
        return timedelta(seconds=1)

    def slow(delivery: Delivery) -> tuple[Outcome, ...]:
        begun.get(delivery.recipients[0], last).set()
        assert "r30@x" not in delivery.recipients or finish.wait(10)
        return accept(delivery)

    desk.relay.patience = patience
    desk.relay.script = slow
    desk.add(*MANY)
    desk.start()
    assert begun["r0@x"].wait(10)

    desk.clock.forward(timedelta(minutes=9))
    late = desk.heartbeats.late()
    finish.set()
    desk.journal.wait_for(MessageDone)

    assert not [each for each in late if each.startswith("relay-")]
