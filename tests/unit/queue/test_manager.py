# SPDX-License-Identifier: Apache-2.0
"""The queue on a real store, with a relay that does as it is told."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import RouteError, RouteMisconfigured, StoreUnusable
from maildropd.mail.events import (
    ContentLost,
    MessageDone,
    RecipientDeferred,
    RecipientDelivered,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteAlarm, RouteFailed, RouteRestored
from maildropd.mail.service_events import InternalError
from maildropd.relay.base import Delivery
from maildropd.store.base import Lease, State
from tests.fakes.transport import FakeRelay, accept
from tests.unit.queue.desk import HOP, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def answer(code: int, status: str, text: str = "said") -> Outcome:
    return Outcome.of(Reply(code, status, text), HOP.destination)


def test_what_is_due_is_delivered_once_and_leaves_the_store(desk: Desk) -> None:
    names = {desk.add(f"r{n}@example.net") for n in range(500)}

    desk.start()
    done = desk.journal.wait_for(MessageDone, 500)

    assert {each.queue_id for each in done} == names
    assert set(desk.delivered().values()) == {1}
    assert not any(desk.store.counts().values())


def test_no_more_connections_than_allowed_and_they_are_reused(desk: Desk) -> None:
    for _ in range(200):
        desk.add()

    desk.start()
    desk.journal.wait_for(MessageDone, 200)

    assert desk.relay.most_at_once <= 2
    assert desk.relay.opened <= 2


def test_mail_that_comes_while_we_run_is_delivered_when_woken(desk: Desk) -> None:
    desk.start()
    desk.add()
    desk.manager.wake()

    desk.journal.wait_for(MessageDone)


def test_a_partial_refusal_is_settled_per_recipient(desk: Desk) -> None:
    """Peers fail the whole message, or forget the refused."""
    desk.relay.script = lambda delivery: (
        answer(250, "2.0.0"),
        answer(451, "4.2.0"),
        answer(550, "5.1.1", "no such user"),
    )[: len(delivery.recipients)]
    name = desk.add("good@x", "busy@x", "bad@x")

    desk.start()
    desk.journal.wait_for(RecipientFailed)
    desk.relay.script = accept
    desk.go(timedelta(minutes=5))
    desk.journal.wait_for(RecipientDelivered, 2)

    assert desk.relay.seen[1][1] == ("busy@x",)
    view = desk.store.show(name)
    assert view is not None
    (left,) = view.recipients
    assert (left.forward_path, left.state) == ("bad@x", State.FAILED)
    assert left.reply is not None
    assert left.reply.text == "no such user"


def test_a_deferred_recipient_is_not_tried_before_it_is_due(desk: Desk) -> None:
    desk.relay.script = lambda _: (answer(451, "4.2.0"),)
    desk.add()
    desk.start()
    desk.journal.wait_for(RecipientDeferred)

    desk.go(timedelta(minutes=4))
    desk.add("other@x")
    desk.manager.wake()
    desk.journal.wait_for(RecipientDeferred, 2)
    assert [seen[1] for seen in desk.relay.seen] == [("r@example.net",), ("other@x",)]

    desk.go(timedelta(minutes=1))
    desk.journal.wait_for(RecipientDeferred, 3)
    assert desk.relay.seen[2][1] == ("r@example.net",)


def test_what_waits_for_a_route_that_breaks_is_not_tried_one_by_one(desk: Desk) -> None:
    """A hundred leases, each with its connect time-out, would hammer a dead host."""

    def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteError("connection refused")

    def in_flight_is(count: int) -> bool:
        for _ in range(1000):
            if desk.manager.in_flight == count:
                return True
            desk.relay.arrived.acquire(timeout=0.01)
        return False

    desk.relay.script = refuse
    desk.relay.gate.clear()
    for n in range(50):
        desk.add(f"r{n}@x")
    desk.start()
    assert in_flight_is(50)

    desk.relay.gate.set()

    assert in_flight_is(0)
    assert len(desk.relay.seen) <= 2
    assert desk.store.counts()[State.READY] == 50


def test_a_broken_route_costs_no_attempt_and_recovers_by_itself(desk: Desk) -> None:
    """The smarthost is down: nothing fails, one probe at a time, then all flows."""

    def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteError("connection refused")

    desk.relay.script = refuse
    names = [desk.add(f"r{n}@x") for n in range(50)]
    desk.start()
    desk.journal.wait_for(RouteFailed)
    desk.until(lambda: desk.manager.in_flight == 0)  # none that works by now
    tried = len(desk.relay.seen)
    assert tried <= 2

    desk.relay.script = accept
    desk.go(timedelta(seconds=1))
    desk.journal.wait_for(MessageDone, len(names))

    (restored,) = desk.journal.of(RouteRestored)
    assert restored.delay == timedelta(seconds=1)
    assert {e.attempt for e in desk.journal.of(RecipientDelivered)} == {1}


def test_a_refused_password_raises_one_alarm_and_fails_nothing(desk: Desk) -> None:
    def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteMisconfigured("535 wrong password")

    desk.relay.script = refuse
    for _ in range(10):
        desk.add()
    desk.start()

    desk.journal.wait_for(RouteAlarm)

    assert not desk.journal.of(RecipientFailed)
    assert desk.store.counts()[State.READY] == 10


def test_a_broken_route_with_nothing_left_to_send_costs_no_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last mail is removed by hand, or too old: nothing is there to probe with."""

    def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
        raise RouteError("connection refused")

    desk.relay.script = refuse
    name = desk.add()
    desk.start()
    desk.journal.wait_for(RouteFailed)
    assert desk.store.hold(name).result()
    asked, spun = count(1), threading.Event()
    claim = desk.store.claim

    def counted(limit: int, now: datetime, until: datetime) -> Future[list[Lease]]:
        if next(asked) > 20:
            spun.set()
        return claim(limit, now, until)

    monkeypatch.setattr(desk.store, "claim", counted)
    desk.go(timedelta(hours=1))

    assert not spun.wait(1)


@pytest.mark.parametrize("error", [RuntimeError("can't start"), MemoryError()])
def test_mail_waits_for_a_thread_when_the_system_has_none_to_spare(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Out of threads for a moment: nothing may stay leased without a hand on it."""
    refusals = count(1)
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name.startswith("relay-") and next(refusals) <= 3:
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    for number in range(5):
        desk.add(f"r{number}@x")

    desk.start()

    desk.journal.wait_for(MessageDone, 5)


def test_a_bug_in_one_attempt_stops_no_other_mail(desk: Desk) -> None:
    def crash(delivery: Delivery) -> tuple[Outcome, ...]:
        if delivery.recipients == ("poison@x",):
            raise ZeroDivisionError
        return accept(delivery)

    desk.relay.script = crash
    desk.add("poison@x")
    desk.add("good@x")
    desk.start()

    desk.journal.wait_for(MessageDone)
    (bug,) = desk.journal.wait_for(InternalError)

    assert "ZeroDivisionError" in bug.traceback
    (doubted,) = desk.journal.wait_for(RecipientInDoubt)
    assert doubted.recipient == "poison@x"
    assert desk.delivered() == {"good@x": 1}


def test_a_message_without_content_is_held_and_said(desk: Desk) -> None:
    name = desk.add(content=b"x" * 300_000)
    for file in (desk.folder / "content").iterdir():
        file.unlink()
    desk.start()

    (lost,) = desk.journal.wait_for(ContentLost)

    assert lost.queue_id == name
    assert desk.store.counts()[State.HOLD] == 1


@pytest.mark.parametrize(
    "error", [StoreUnusable("too many open files"), MemoryError()], ids=type
)
def test_old_mail_that_cannot_be_read_just_now_is_neither_failed_nor_spun_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Out of descriptors or memory: our trouble, whatever the age of the mail."""

    def unreadable(queue_id: QueueId) -> Iterator[bytes]:
        desk.relay.arrived.release()
        raise error

    content = desk.store.content
    monkeypatch.setattr(desk.store, "content", unreadable)
    name = desk.add(content=b"Subject: x\n\n" + b"x\n" * 5000)  # not read along
    desk.clock.forward(timedelta(days=6))
    desk.start()
    desk.relay.arrived.acquire(timeout=10)
    monkeypatch.setattr(desk.store, "content", content)
    desk.add("other@x")
    desk.manager.wake()
    desk.journal.wait_for(MessageDone)

    view = desk.store.show(name)
    assert view is not None
    assert view.recipients[0].state is State.READY
    (told,) = desk.journal.wait_for(RecipientDeferred)
    assert (told.queue_id, told.reply.text) == (name, str(error) or "out of memory")
    desk.go(timedelta(seconds=30))
    desk.journal.wait_for(MessageDone, 2)


def test_a_host_that_sleeps_for_a_year_doubles_nothing(desk: Desk) -> None:
    """All leases have ended; those on the wire are still ours."""
    desk.relay.gate.clear()
    desk.add("first@x")
    desk.start()
    desk.relay.arrived.acquire(timeout=10)

    desk.clock.suspend(timedelta(days=365))
    second = desk.add("second@x")
    desk.manager.wake()
    desk.relay.arrived.acquire(timeout=10)
    desk.relay.gate.set()
    desk.journal.wait_for(MessageDone, 2)

    assert desk.delivered() == {"first@x": 1, "second@x": 1}
    assert len(desk.relay.seen) == 2
    assert desk.store.show(second) is None


def test_a_reload_moves_waiting_mail_to_the_new_route(desk: Desk) -> None:
    desk.relay.gate.clear()
    for n in range(20):
        desk.add(f"r{n}@x")
    desk.start()
    for _ in range(2):
        assert desk.relay.arrived.acquire(timeout=10)
    old = desk.relay

    desk.relay = FakeRelay()
    desk.manager.reroute(desk.routing())
    desk.journal.wait_for(MessageDone, 18)
    old.gate.set()
    desk.journal.wait_for(MessageDone, 20)

    assert len(old.seen) == 2
    assert set(desk.delivered().values()) == {1}
    assert len(desk.delivered()) == 20
