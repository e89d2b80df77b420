# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: record what came of an attempt."""

from datetime import timedelta

import pytest

from maildropd.store.base import State
from tests.unit.store.stage import (
    BUSY,
    NOON,
    REFUSED,
    Stage,
    outcome,
    paths,
)

HOUR = timedelta(hours=1)


class Settling:
    def test_the_message_goes_with_its_last_recipient(self, stage: Stage) -> None:
        queue_id = stage.add("a@example.net", "b@example.net")
        (lease,) = stage.claim()

        assert stage.settle(outcome(lease, 0)).done == ()
        assert paths(stage.recipients(queue_id)) == ["b@example.net"]
        assert stage.settle(outcome(lease, 1)).done == (queue_id,)
        assert stage.store.show(queue_id) is None
        assert stage.counts() == {}

    def test_each_recipient_has_an_outcome_of_its_own(self, stage: Stage) -> None:
        """One refused recipient neither fails nor repeats the others."""
        queue_id = stage.add("a@example.net", "b@example.net", "c@example.net")
        (lease,) = stage.claim()

        settled = stage.settle(
            outcome(lease, 0),
            outcome(lease, 1, State.DEFERRED, BUSY),
            outcome(lease, 2, State.FAILED, REFUSED),
        )

        deferred, failed = stage.recipients(queue_id)
        assert (settled.lost, settled.done) == ((), ())
        assert (deferred.state, deferred.attempts, deferred.reply) == (
            State.DEFERRED,
            1,
            BUSY,
        )
        assert deferred.due == NOON + HOUR
        assert deferred.relay == "mx.example.net:25"
        assert (failed.state, failed.due, failed.reply) == (State.FAILED, None, REFUSED)
        assert not deferred.leased
        assert not failed.leased

    def test_one_group_may_settle_many_messages(self, stage: Stage) -> None:
        added = [stage.add() for _ in range(3)]
        leases = stage.claim()

        settled = stage.settle(*map(outcome, leases))

        assert sorted(settled.done) == added

    @pytest.mark.parametrize("attempts", [0, 1])
    def test_what_was_not_attempted_goes_back_as_it_was(
        self, stage: Stage, attempts: int
    ) -> None:
        """A broken route says nothing about the mail."""
        queue_id = stage.add()
        at = NOON
        for _ in range(attempts):
            stage.settle(outcome(stage.claim()[0], state=State.DEFERRED, reply=BUSY))
            at = NOON + HOUR
        (before,) = stage.recipients(queue_id)
        (lease,) = stage.claim(at=at)

        stage.settle(outcome(lease, state=State.READY, attempted=False))

        (after,) = stage.recipients(queue_id)
        assert (after.state, after.attempts) == (before.state, attempts)
        assert after.reply == before.reply
        assert after.due == NOON + HOUR
        assert not after.leased

    def test_a_reply_of_the_route_is_kept_without_counting(self, stage: Stage) -> None:
        queue_id = stage.add()

        stage.settle(outcome(stage.claim()[0], 0, State.READY, BUSY, attempted=False))

        (after,) = stage.recipients(queue_id)
        assert (after.attempts, after.reply) == (0, BUSY)

    def test_attempts_add_up(self, stage: Stage) -> None:
        stage.add()
        for n in range(3):
            (lease,) = stage.claim(at=NOON + n * HOUR)
            assert lease.recipients[0].attempts == n
            stage.settle(outcome(lease, state=State.DEFERRED, reply=BUSY))

    def test_lost_content_puts_a_message_on_hold(self, stage: Stage) -> None:
        queue_id = stage.add()

        stage.settle(outcome(stage.claim()[0], 0, State.HOLD, BUSY, attempted=False))

        assert stage.states(queue_id) == [State.HOLD]
        assert stage.recipients(queue_id)[0].attempts == 0
