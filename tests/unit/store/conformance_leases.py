# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: leases, fences, outcomes."""

from datetime import timedelta

import pytest

from maildropd.store.base import State
from tests.unit.store.conformance import Reopen
from tests.unit.store.stage import (
    BUSY,
    MINUTE,
    NOON,
    REFUSED,
    SECOND,
    WAIT,
    Stage,
    outcome,
    paths,
)

HOUR = timedelta(hours=1)


class Claiming:
    def test_what_is_due_is_leased_once(self, stage: Stage) -> None:
        queue_id = stage.add("bob@example.net", "eve@example.net")

        (lease,) = stage.claim()

        assert lease.envelope.queue_id == queue_id
        assert paths(lease.recipients) == ["bob@example.net", "eve@example.net"]
        assert [r.attempts for r in lease.recipients] == [0, 0]
        assert [r.leased for r in stage.recipients(queue_id)] == [True, True]
        assert stage.claim() == []

    def test_what_is_not_due_yet_stays(self, stage: Stage) -> None:
        stage.add(at=NOON + SECOND)

        assert stage.claim(at=NOON) == []
        assert len(stage.claim(at=NOON + SECOND)) == 1

    def test_the_oldest_due_come_first(self, stage: Stage) -> None:
        """Also among ready and deferred: neither may starve the other."""
        deferred, *_ = [stage.add(at=NOON - HOUR), stage.add(at=NOON - 2 * HOUR)]
        for lease in stage.claim(at=NOON - HOUR):
            stage.settle(outcome(lease, state=State.DEFERRED))
        late = stage.add(at=NOON + 2 * HOUR)
        early = stage.add(at=NOON)

        claimed = stage.claim(2, at=NOON + 3 * HOUR) + stage.claim(
            9, at=NOON + 3 * HOUR
        )

        order = [lease.envelope.queue_id for lease in claimed]
        assert order[0] == early
        assert order[1] == deferred
        assert order[-1] == late

    def test_a_limit_holds(self, stage: Stage) -> None:
        for _ in range(5):
            stage.add()

        assert [len(stage.claim(2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_a_message_is_not_torn_by_the_limit(self, stage: Stage) -> None:
        """Its recipients go over one connection, in one transaction."""
        stage.add("a@example.net", "b@example.net", "c@example.net")

        (lease,) = stage.claim(1)

        assert len(lease.recipients) == 3

    def test_only_the_recipients_that_are_due_are_leased(self, stage: Stage) -> None:
        queue_id = stage.add("a@example.net", "b@example.net")
        (lease,) = stage.claim()
        stage.settle(
            outcome(lease, 0, State.DEFERRED, BUSY),
            outcome(lease, 1, State.READY, attempted=False),
        )

        (early,) = stage.claim(at=NOON + HOUR)

        assert paths(early.recipients) == ["a@example.net", "b@example.net"]
        assert [r.attempts for r in early.recipients] == [1, 0]
        assert stage.states(queue_id) == [State.DEFERRED, State.READY]

    def test_a_lease_that_ended_falls_due_again_with_a_larger_fence(
        self, stage: Stage
    ) -> None:
        stage.add()
        (first,) = stage.claim()

        assert stage.store.next_due() == NOON + MINUTE
        assert stage.claim(at=NOON + MINUTE - SECOND) == []
        (second,) = stage.claim(at=NOON + MINUTE)
        assert second.recipients[0].fence > first.recipients[0].fence
        assert second.recipients[0].attempts == 0

    def test_an_outcome_that_comes_too_late_changes_nothing(self, stage: Stage) -> None:
        """Two attempts ran; the one that lost its lease must not be counted."""
        queue_id = stage.add()
        (late,) = stage.claim()
        stage.claim(at=NOON + MINUTE)

        for settlement in (
            outcome(late),
            outcome(late, state=State.FAILED, reply=REFUSED),
        ):
            settled = stage.settle(settlement)
            assert settled.lost == (settlement,)
            assert settled.done == ()
        assert stage.states(queue_id) == [State.READY]
        assert stage.recipients(queue_id)[0].leased
        assert not stage.store.renew(late, NOON + HOUR).result(WAIT)

    def test_a_renewed_lease_lasts_longer(self, stage: Stage) -> None:
        stage.add()
        (lease,) = stage.claim()

        assert stage.store.renew(lease, NOON + HOUR).result(WAIT)

        assert stage.claim(at=NOON + HOUR - SECOND) == []
        assert stage.deliver(lease).done == (lease.envelope.queue_id,)

    def test_leases_of_a_former_owner_are_taken_over(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        queue_id = stage.add("a@example.net", "b@example.net")
        (old,) = stage.claim()
        stage.settle(outcome(old, 0, State.DEFERRED))

        stage = reopen("second")

        assert stage.claim() == []
        assert stage.store.take_over(NOON + SECOND).result(WAIT) == 1
        (lease,) = stage.claim(at=NOON + SECOND)
        assert paths(lease.recipients) == ["b@example.net"]
        assert stage.settle(outcome(old, 1)).lost
        assert stage.states(queue_id) == [State.DEFERRED, State.READY]

    def test_own_leases_are_not_taken_over(self, stage: Stage) -> None:
        stage.add()
        stage.claim()

        assert stage.store.take_over(NOON + SECOND).result(WAIT) == 0
        assert stage.claim(at=NOON + SECOND) == []


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
