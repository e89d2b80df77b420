# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: leases and fences."""

from datetime import timedelta

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

    def test_a_limit_holds_for_ready_and_deferred_together(self, stage: Stage) -> None:
        for _ in range(2):
            stage.add()
        stage.settle(*(outcome(one, state=State.DEFERRED) for one in stage.claim()))
        for _ in range(2):
            stage.add()

        assert [len(stage.claim(3, at=NOON + HOUR)) for _ in range(2)] == [3, 1]

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

    def test_a_lease_that_was_lost_in_part_is_renewed_in_part(
        self, stage: Stage
    ) -> None:
        stage.add("a@example.net", "b@example.net")
        (lease,) = stage.claim()
        stage.settle(outcome(lease, 0, State.FAILED, REFUSED))

        assert not stage.store.renew(lease, NOON + HOUR).result(WAIT)

        assert stage.claim(at=NOON + HOUR - SECOND) == []

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
