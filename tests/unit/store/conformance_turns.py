# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: let nobody's mail wait for another's pile."""

from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.mail.envelope import Priority, QueueId, Submitter
from maildropd.store.base import State
from tests.unit.store.stage import (
    MINUTE,
    NOON,
    SECOND,
    WAIT,
    Stage,
    outcome,
    submission,
)

MILLISECOND = timedelta(milliseconds=1)


def put(
    stage: Stage,
    uid: int,
    second: int,
    recipients: int = 1,
    priority: Priority = Priority.NORMAL,
) -> QueueId:
    """Submit something in one's own name, at a second of the day."""
    said = submission(*(f"r{number}@example.net" for number in range(recipients)))
    said = replace(
        said, submitter=Submitter(name="sendmail", uid=uid), priority=priority
    )
    at = NOON + second * SECOND + sum(stage.counts().values()) * MILLISECOND
    return stage.submit(said, at=at).queue_id


def served(stage: Stage, limit: int) -> list[QueueId]:
    """Deliver so many; return which."""
    leases = stage.claim(limit, at=NOON + MINUTE)
    for lease in leases:
        stage.deliver(lease)
    return [lease.envelope.queue_id for lease in leases]


class Taking:
    def test_a_mail_does_not_wait_for_ten_thousand_of_another(
        self, stage: Stage
    ) -> None:
        """A newsletter was queued, and the password mail came hours later."""
        for _ in range(100):
            put(stage, 1000, 0)
        served(stage, 10)

        password = put(stage, 1001, 30)

        assert password in served(stage, 2)

    def test_those_that_pile_up_take_turns(self, stage: Stage) -> None:
        for _ in range(50):
            put(stage, 1000, 0)
        served(stage, 1)
        others = [put(stage, 1001, 1) for _ in range(5)]

        first = served(stage, 12)

        assert len(set(first) & set(others)) == 5
        assert first.index(others[4]) >= 6

    def test_a_mail_to_many_counts_as_many(self, stage: Stage) -> None:
        for _ in range(50):
            put(stage, 1000, 0)
        served(stage, 1)
        put(stage, 1001, 1, recipients=20)
        second = put(stage, 1001, 1)

        assert second not in served(stage, 15)

    @pytest.mark.parametrize(
        ("priority", "least", "most"),
        [(Priority.HIGH, 8, 10), (Priority.NORMAL, 4, 6), (Priority.LOW, 1, 2)],
    )
    def test_priority_is_a_share(
        self, stage: Stage, priority: Priority, least: int, most: int
    ) -> None:
        """And never all of it: the others go on."""
        for _ in range(50):
            put(stage, 1000, 0)
        served(stage, 2)
        others = {put(stage, 1001, 1, priority=priority) for _ in range(20)}

        assert least <= len(set(served(stage, 10)) & others) <= most

    def test_where_nothing_piles_up_first_come_is_first_served(
        self, stage: Stage
    ) -> None:
        added = [put(stage, 1000 + n % 2, n, priority=Priority.LOW) for n in range(6)]

        assert served(stage, 10) == added

    def test_what_is_given_back_keeps_its_place(self, stage: Stage) -> None:
        added = [put(stage, 1000, number) for number in range(4)]
        (lease,) = stage.claim(1, at=NOON + MINUTE)
        back = outcome(lease, state=State.READY, attempted=False)
        stage.settle(replace(back, due=lease.turn))

        assert served(stage, 4) == added

    def test_what_is_due_again_does_not_wait_for_a_pile(self, stage: Stage) -> None:
        waits = stage.add()
        (lease,) = stage.claim()
        stage.settle(outcome(lease, state=State.DEFERRED))
        for _ in range(50):
            put(stage, 1000, 0)
        later = NOON + timedelta(hours=2)

        leases = stage.store.claim(10, later, later + MINUTE).result(WAIT)

        assert waits in [each.envelope.queue_id for each in leases]
