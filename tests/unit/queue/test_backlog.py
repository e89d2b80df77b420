# SPDX-License-Identifier: Apache-2.0
"""What one lane holds of a deep queue."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maildropd.mail.envelope import Envelope, QueueId, Submitter
from maildropd.mail.events import MessageDone
from maildropd.queue.backlog import Backlog
from maildropd.store.base import Lease, LeasedRecipient
from tests.unit.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def leased(*recipients: tuple[int, int]) -> Lease:
    """Return a lease of recipients, by number and fence."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return Lease(
        envelope=Envelope(
            queue_id=QueueId("4XK2"),
            reverse_path=None,
            arrived=now,
            size=1,
            submitter=Submitter(name="test"),
        ),
        give_up=now,
        turn=now,
        recipients=tuple(
            LeasedRecipient(number=n, forward_path=f"r{n}@x", attempts=0, fence=fence)
            for n, fence in recipients
        ),
    )


@pytest.mark.parametrize("on_the_wire", [False, True])
def test_who_is_in_flight_gets_the_newer_fence_and_no_other_is_kept(
    *, on_the_wire: bool
) -> None:
    """The others may go another way."""
    backlog = Backlog()
    backlog.add(leased((0, 1), (1, 1)))
    if on_the_wire:
        backlog.take(timedelta(0))

    others = backlog.adopt(leased((1, 2), (2, 2)))

    assert others == leased((2, 2))
    (held,) = [*backlog.waiting.values(), *backlog.busy.values()]
    assert held == leased((0, 1), (1, 2))
    assert backlog.adopt(leased((0, 3))) is None


def test_of_what_is_not_in_flight_all_is_left_to_others() -> None:
    backlog = Backlog()

    assert backlog.adopt(leased((0, 1))) == leased((0, 1))
    assert len(backlog) == 0


@pytest.mark.parametrize("on_the_wire", [False, True])
def test_more_of_a_message_joins_what_is_in_flight_of_it(*, on_the_wire: bool) -> None:
    """It was lost otherwise: there is one lease of a message in a lane."""
    backlog = Backlog()
    backlog.add(leased((0, 1)))
    if on_the_wire:
        backlog.take(timedelta(0))

    backlog.add(leased((1, 1)))

    assert len(backlog) == 1
    (held,) = [*backlog.waiting.values(), *backlog.busy.values()]
    assert held == leased((0, 1), (1, 1))


def test_mail_to_many_waits_in_the_store_and_not_in_memory(desk: Desk) -> None:
    """A hundred messages to ten thousand each were a million in memory."""
    desk.relay.gate.clear()
    for number in range(10):
        desk.add(*(f"r{number}-{n}@example.net" for n in range(60)))

    for _ in range(10):
        desk.manager._pass_once()

    assert desk.manager.in_flight <= 2 + 2  # on the wire, and what waits
    desk.relay.gate.set()
    desk.start()
    desk.journal.wait_for(MessageDone, 10)
