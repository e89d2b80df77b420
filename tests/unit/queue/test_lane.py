# SPDX-License-Identifier: Apache-2.0
"""One next hop's connections, and the threads behind them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.events import MessageDone, RecipientInDoubt
from maildropd.mail.outcome import Outcome
from maildropd.mail.service_events import InternalError
from maildropd.relay.base import Delivery
from tests.fakes.transport import FakeTransport, accept
from tests.unit.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_without_memory_for_a_connection_leaves_its_mail_to_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted for ever as one that comes, and one mail alone waited for it."""
    shortages = [MemoryError() for _ in range(5)]
    transport = desk.relay.transport

    def short() -> FakeTransport:
        if shortages:
            raise shortages.pop()
        return transport()

    monkeypatch.setattr(desk.relay, "transport", short)
    desk.manager.reroute(desk.routing())
    desk.add("r@example.net")

    desk.start()

    desk.journal.wait_for(MessageDone)
    assert shortages == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_mail_whose_thread_dies_is_tried_again_when_its_lease_ends(desk: Desk) -> None:
    """It seemed to be on the wire for ever, and no later lease got a turn."""

    def die(delivery: Delivery) -> tuple[Outcome, ...]:
        desk.relay.script = accept
        raise SystemExit  # which no ``except Exception`` holds up, like a bug of ours

    desk.relay.script = die
    desk.add("r@example.net")
    desk.start()
    assert desk.relay.arrived.acquire(timeout=10)
    for thread in threading.enumerate():
        if thread.name.startswith("relay-"):
            thread.join(10)

    desk.go(timedelta(hours=1, minutes=1))

    desk.journal.wait_for(MessageDone)


def test_mail_that_met_a_bug_of_ours_is_in_doubt_and_tried_again(desk: Desk) -> None:
    """Nobody knows how far it came: it may be there already."""

    def bug(_: Delivery) -> tuple[Outcome, ...]:
        desk.relay.script = accept
        raise LookupError("a bug")

    desk.relay.script = bug
    desk.add("r@example.net")
    desk.start()

    (doubted,) = desk.journal.wait_for(RecipientInDoubt)
    assert doubted.recipient == "r@example.net"
    assert len(desk.journal.of(InternalError)) == 1
    desk.go_until_done(1, timedelta(minutes=5))
