# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do: tell what it tells in the same change."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from maildropd.mail.errors import StoreFull
from maildropd.store.base import Notice, State
from tests.unit.store.conformance import Reopen
from tests.unit.store.stage import DAYS, NOON, WAIT, Stage, outcome, submission

LARGE = 300 * 1024


def notice(stage: Stage, size: int = 100) -> Notice:
    told = submission("ann@example.org", content=[b"x" * size])
    return Notice(
        submission=replace(told, reverse_path=None),
        queue_id=next(stage.ids),
        arrived=NOON,
        give_up=NOON + DAYS,
    )


class Telling:
    def test_a_message_goes_as_its_bounce_comes(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        failed = stage.add()
        (lease,) = stage.claim()
        bounce = notice(stage)

        settled = stage.store.settle([outcome(lease)], [bounce]).result(WAIT)

        assert settled.done == (failed,)
        assert settled.noticed == (bounce.queue_id,)
        assert stage.counts() == {State.READY: 1}
        again = reopen("second")
        (view,) = again.store.list("", 9)
        assert view.envelope.reverse_path is None
        assert again.content(bounce.queue_id) == b"x" * 100

    def test_what_was_lost_is_not_told_because_other_mail_was_not(
        self, stage: Stage
    ) -> None:
        """Outcomes of several messages share a change."""
        stage.add()
        stage.add()
        first, second = stage.claim()
        stage.deliver(first)
        told = [replace(notice(stage), about=first.envelope.queue_id)]
        told += [replace(notice(stage), about=second.envelope.queue_id)]

        settled = stage.store.settle([outcome(first), outcome(second)], told)

        assert settled.result(WAIT).noticed == (told[1].queue_id,)

    @pytest.mark.parametrize("size", [100, LARGE])
    def test_who_lost_the_lease_tells_nothing(self, stage: Stage, size: int) -> None:
        """It was settled by somebody else, who has told it."""
        stage.add()
        (lease,) = stage.claim()
        stage.deliver(lease)
        bounce = notice(stage, size)

        settled = stage.store.settle([outcome(lease)], [bounce]).result(WAIT)

        assert len(settled.lost) == 1
        assert settled.noticed == ()
        assert stage.counts() == {}
        assert stage.store.show(bounce.queue_id) is None

    def test_a_bounce_that_cannot_be_kept_settles_nothing(self, stage: Stage) -> None:
        """The original must not go without it."""

        def broken() -> Iterator[bytes]:
            yield b"x"
            raise StoreFull("no room")

        failed = stage.add()
        (lease,) = stage.claim()
        bounce = notice(stage)
        bounce = replace(
            bounce, submission=replace(bounce.submission, content=broken())
        )

        future = stage.store.settle([outcome(lease)], [bounce])

        with pytest.raises(StoreFull):
            future.result(WAIT)
        assert stage.states(failed) == [State.READY]

    def test_a_large_notice_is_read_back(self, stage: Stage) -> None:
        stage.add()
        (lease,) = stage.claim()
        bounce = notice(stage, LARGE)

        stage.store.settle([outcome(lease)], [bounce]).result(WAIT)

        assert stage.content(bounce.queue_id) == b"x" * LARGE

    def test_doubt_is_remembered_until_the_end(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        """A later "greylisted" does not mean that it was not delivered before."""
        queue_id = stage.add()
        (lease,) = stage.claim()
        cut = replace(outcome(lease, state=State.DEFERRED), in_doubt=True)
        stage.settle(cut)
        (later,) = stage.claim(at=NOON + DAYS)
        stage.settle(outcome(later, state=State.DEFERRED))

        assert [one.in_doubt for one in stage.recipients(queue_id)] == [True]
        again = reopen("second")
        assert [one.in_doubt for one in again.recipients(queue_id)] == [True]

    def test_the_cursor_moves_with_what_is_told(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        assert stage.store.cursor() == ""
        warning = notice(stage)

        settled = stage.store.keep_cursor("5CBP", [warning]).result(WAIT)

        assert settled.noticed == (warning.queue_id,)
        again = reopen("second")
        assert again.store.cursor() == "5CBP"
        assert again.store.show(warning.queue_id) is not None
