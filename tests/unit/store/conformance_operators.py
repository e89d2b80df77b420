# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: hold, release, remove, flush."""

from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import StoreUnusable
from maildropd.store.base import State
from tests.unit.store.conformance import UNKNOWN, Reopen
from tests.unit.store.stage import (
    BUSY,
    NOON,
    REFUSED,
    SECOND,
    WAIT,
    Stage,
    outcome,
    paths,
    submission,
)

HOUR = timedelta(hours=1)


def deferred(stage: Stage) -> QueueId:
    queue_id = stage.add()
    (lease,) = stage.claim()
    stage.settle(outcome(lease, state=State.DEFERRED, reply=BUSY))
    return queue_id


class Holding:
    def test_what_is_held_is_not_tried(self, stage: Stage) -> None:
        queue_id = stage.add()

        assert stage.store.hold(queue_id).result(WAIT)

        assert stage.claim() == []
        assert stage.states(queue_id) == [State.HOLD]
        assert stage.counts() == {State.HOLD: 1}
        assert not stage.store.hold(queue_id).result(WAIT)

    def test_what_is_submitted_to_be_held_waits_for_its_release(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        """A copy of a site writes to nobody, and what it would have said is seen."""
        queue_id = stage.submit(replace(submission(), hold=True)).queue_id

        assert stage.claim() == []
        assert stage.states(queue_id) == [State.HOLD]
        assert stage.counts() == {State.HOLD: 1}
        stage = reopen("second")
        assert stage.counts() == {State.HOLD: 1}
        assert stage.store.release(queue_id, NOON).result(WAIT)
        assert len(stage.claim()) == 1

    @pytest.mark.parametrize("state", [State.DEFERRED, State.FAILED, State.READY])
    def test_what_is_held_while_it_is_tried_is_held_afterwards(
        self, stage: Stage, state: State
    ) -> None:
        queue_id = stage.add()
        (lease,) = stage.claim()

        assert stage.store.hold(queue_id).result(WAIT)
        assert stage.states(queue_id) == [State.READY]
        attempted = state is not State.READY
        stage.settle(outcome(lease, 0, state, BUSY, attempted=attempted))

        assert stage.states(queue_id) == [State.HOLD]
        assert stage.counts() == {State.HOLD: 1}

    def test_what_is_held_while_it_is_delivered_is_delivered(
        self, stage: Stage
    ) -> None:
        queue_id = stage.add()
        (lease,) = stage.claim()
        stage.store.hold(queue_id).result(WAIT)

        assert stage.deliver(lease).done == (queue_id,)

    def test_a_wish_to_hold_survives_a_restart(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        queue_id = stage.add()
        stage.claim()
        stage.store.hold(queue_id).result(WAIT)

        stage = reopen("second")
        stage.store.take_over(NOON).result(WAIT)

        assert stage.states(queue_id) == [State.HOLD]
        assert stage.counts() == {State.HOLD: 1}

    def test_a_release_takes_back_a_wish_to_hold(self, stage: Stage) -> None:
        queue_id = stage.add()
        (lease,) = stage.claim()
        stage.store.hold(queue_id).result(WAIT)

        assert stage.store.release(queue_id, NOON).result(WAIT)
        stage.settle(outcome(lease, state=State.DEFERRED, reply=BUSY))

        assert stage.states(queue_id) == [State.DEFERRED]

    def test_there_is_nothing_to_hold_of_a_message_that_is_not_there(
        self, stage: Stage
    ) -> None:
        assert not stage.store.hold(UNKNOWN).result(WAIT)
        assert not stage.store.release(UNKNOWN, NOON).result(WAIT)
        assert not stage.store.remove(UNKNOWN).result(WAIT)

    def test_a_release_makes_held_and_failed_due(self, stage: Stage) -> None:
        tried, untried = stage.add("a@example.net", "b@example.net"), stage.add()
        (lease, _) = stage.claim()
        stage.settle(
            outcome(lease, 0, State.FAILED, REFUSED), outcome(lease, 1, State.DEFERRED)
        )
        stage.store.take_over(NOON).result(WAIT)
        stage.store.hold(untried).result(WAIT)
        late = NOON + 2 * SECOND

        assert stage.store.release(tried, late).result(WAIT)
        assert not stage.store.release(tried, late).result(WAIT)

        assert stage.states(tried) == [State.DEFERRED, State.DEFERRED]
        (again,) = stage.claim(at=late)
        assert paths(again.recipients) == ["a@example.net"]
        assert again.recipients[0].attempts == 1

    def test_a_release_of_what_was_never_tried_makes_it_ready(
        self, stage: Stage
    ) -> None:
        queue_id = stage.add()
        stage.store.hold(queue_id).result(WAIT)

        assert stage.store.release(queue_id, NOON).result(WAIT)

        assert stage.states(queue_id) == [State.READY]
        assert stage.counts() == {State.READY: 1}
        assert len(stage.claim()) == 1


class Removing:
    def test_a_removed_message_is_gone_and_its_key_is_not(self, stage: Stage) -> None:
        queue_id = stage.submit(submission(key="k")).queue_id

        assert stage.store.remove(queue_id).result(WAIT)

        assert stage.store.show(queue_id) is None
        assert stage.counts() == {}
        assert stage.submit(submission(key="k")).repeated
        with pytest.raises(StoreUnusable):
            stage.content(queue_id)

    def test_what_is_being_delivered_is_not_removed(self, stage: Stage) -> None:
        queue_id = stage.add("a@example.net", "b@example.net")
        (lease,) = stage.claim()
        stage.settle(outcome(lease, 0, State.FAILED, REFUSED))

        assert not stage.store.remove(queue_id).result(WAIT)

        assert stage.settle(outcome(lease, 1, State.FAILED, REFUSED)).lost == ()
        assert stage.store.remove(queue_id).result(WAIT)

    def test_what_a_dead_owner_tried_can_be_removed(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        queue_id = stage.add()
        stage.claim()

        stage = reopen("second")

        assert stage.store.remove(queue_id).result(WAIT)


class Flushing:
    def test_all_that_is_deferred_is_made_due(self, stage: Stage) -> None:
        for _ in range(3):
            deferred(stage)

        assert stage.claim() == []
        assert stage.store.flush([], NOON).result(WAIT) == 3
        assert len(stage.claim()) == 3

    def test_only_the_named_messages_are_made_due(self, stage: Stage) -> None:
        wanted, _ = deferred(stage), deferred(stage)

        assert stage.store.flush([wanted, UNKNOWN], NOON).result(WAIT) == 1

        assert [one.envelope.queue_id for one in stage.claim()] == [wanted]

    @pytest.mark.parametrize("everything", [True, False])
    def test_mail_of_a_clock_that_was_ahead_can_be_made_due(
        self, stage: Stage, *, everything: bool
    ) -> None:
        """It was never tried, so it was not deferred, and waited for a year."""
        queue_id = stage.add(at=NOON + 8760 * HOUR)
        assert stage.claim() == []

        named = [] if everything else [queue_id]
        assert stage.store.flush(named, NOON).result(WAIT) == 1

        assert [one.envelope.queue_id for one in stage.claim()] == [queue_id]

    def test_a_flush_leaves_leases_alone(self, stage: Stage) -> None:
        """Made due while it is being delivered, it would be delivered twice."""
        queue_id = deferred(stage)
        stage.claim(at=NOON + HOUR)

        assert stage.store.flush([], NOON).result(WAIT) == 0
        assert stage.store.flush([queue_id], NOON).result(WAIT) == 0
        assert stage.claim() == []

    def test_a_flush_leaves_held_and_failed_alone(self, stage: Stage) -> None:
        held = deferred(stage)
        stage.store.hold(held).result(WAIT)

        assert stage.store.flush([], NOON).result(WAIT) == 0
        assert stage.store.flush([held], NOON).result(WAIT) == 0
        assert stage.states(held) == [State.HOLD]
