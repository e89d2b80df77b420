# SPDX-License-Identifier: Apache-2.0
"""What every queue on disk must do, said against the interface alone.

A module that tests one kind of store inherits these classes and gives the
fixtures ``stage`` (an empty store, opened by owner "first") and ``reopen``
(close it, and open the same as another owner).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.mail.envelope import (
    DEFAULT_TERMS,
    QueueId,
    Submission,
    Submitter,
    Terms,
)
from maildropd.mail.errors import ContentGone, StoreUnusable, TooLarge
from maildropd.store.base import State
from tests.unit.store.stage import (
    DAYS,
    MINUTE,
    NOON,
    REFUSED,
    SECOND,
    WAIT,
    Stage,
    outcome,
    paths,
    submission,
)

Reopen = Callable[[str], Stage]

UNKNOWN = QueueId("000000000000")
MEGABYTE = [bytes([n]) * 65536 for n in range(16)]


class Adding:
    def test_a_message_comes_back_as_it_was_handed_over(self, stage: Stage) -> None:
        queue_id = stage.add("bob@example.net", "eve@example.net")

        view = stage.store.show(queue_id)

        assert view is not None
        assert view.envelope.queue_id == queue_id
        assert view.envelope.reverse_path == "ann@example.org"
        assert view.envelope.submitter == Submitter(name="spool=drop", uid=1000)
        assert view.envelope.message_id == "<1@example.org>"
        assert view.envelope.size == len(b"Subject: hi\r\n\r\n")
        assert view.envelope.arrived == NOON
        assert view.give_up == NOON + DAYS
        assert paths(view.recipients) == ["bob@example.net", "eve@example.net"]
        assert [r.state for r in view.recipients] == [State.READY, State.READY]
        assert [r.due for r in view.recipients] == [NOON, NOON]

    def test_what_a_sender_asked_of_reports_is_kept(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        """RFC 3461: each recipient has terms of its own."""
        asked = (Terms(notify="SUCCESS,DELAY", orcpt="rfc822;b+2B@x"), DEFAULT_TERMS)
        what = submission("b@example.net", "e@example.net", terms=asked)
        name = stage.submit(replace(what, ret="HDRS", envid="Q+2B7")).queue_id

        stage = reopen("second")

        view = stage.store.show(name)
        assert view is not None
        assert (view.envelope.ret, view.envelope.envid) == ("HDRS", "Q+2B7")
        assert tuple(one.terms for one in view.recipients) == asked
        (lease,) = stage.claim()
        assert lease.envelope == view.envelope
        assert tuple(one.terms for one in lease.recipients) == asked

    def test_what_is_to_be_run_for_a_recipient_is_kept(self, stage: Stage) -> None:
        """Whether it may be run is asked when it is tried."""
        what = Terms(run='|"/usr/bin/vacation" -a \u00fc')
        name = stage.submit(submission(terms=(what,))).queue_id

        assert [one.terms for one in stage.recipients(name)] == [what]
        for _ in "tried", "and tried again":
            (lease,) = stage.claim(at=NOON + DAYS)
            assert lease.recipients[0].terms == what
            stage.settle(outcome(lease, state=State.DEFERRED))

    def test_a_submitter_keeps_its_unit_and_its_rules(self, stage: Stage) -> None:
        """By the rules it is relayed at each attempt."""
        who = Submitter(name="sendmail", uid=0, unit="cron.service", rules="staging")
        name = stage.submit(replace(submission(), submitter=who)).queue_id

        view = stage.store.show(name)
        assert view is not None
        assert view.envelope.submitter == who
        (lease,) = stage.claim()
        assert lease.envelope.submitter == who

    def test_a_null_reverse_path_stays_null(self, stage: Stage) -> None:
        """None is "<>", the mark of a bounce; it must not become an empty name."""
        bounce = Submission(
            reverse_path=None,
            recipients=("ann@example.org",),
            submitter=Submitter(name="bounce"),
            content=(b"",),
        )

        view = stage.store.show(stage.submit(bounce).queue_id)

        assert view is not None
        assert view.envelope.reverse_path is None
        assert view.envelope.submitter.uid is None
        assert view.envelope.message_id is None

    @pytest.mark.parametrize(
        "pieces", [[], [b""], [b"\0\xff\r\n.\r\n"], [b"a", b"b"], MEGABYTE]
    )
    def test_octets_are_not_changed(self, stage: Stage, pieces: list[bytes]) -> None:
        stored = stage.submit(submission(content=pieces))

        assert stage.content(stored.queue_id) == b"".join(pieces)
        assert stored.size == len(b"".join(pieces))

    @pytest.mark.parametrize("before", [1, 16])
    def test_content_that_fails_half_way_leaves_nothing(
        self, stage: Stage, before: int
    ) -> None:
        def failing() -> Iterator[bytes]:
            yield from MEGABYTE[:before]
            raise TooLarge("larger than 3 octets")

        future = stage.store.add(
            submission(content=failing(), key="k"), next(stage.ids), (NOON, NOON)
        )

        with pytest.raises(TooLarge):
            future.result(WAIT)
        assert stage.counts() == {}
        assert not stage.submit(submission(key="k")).repeated

    def test_a_key_submitted_again_is_stored_once(self, stage: Stage) -> None:
        first = stage.submit(submission(key="k"))

        second = stage.submit(submission(key="k", content=MEGABYTE))

        assert second.repeated
        assert second.queue_id == first.queue_id
        assert stage.counts() == {State.READY: 1}

    def test_two_keys_are_two_messages(self, stage: Stage) -> None:
        first = stage.submit(submission(key="k"))
        second = stage.submit(submission(key="l"))

        assert not second.repeated
        assert first.queue_id != second.queue_id

    def test_a_key_outlives_its_message(self, stage: Stage) -> None:
        """A crash before the drop file is removed must not send it twice."""
        first = stage.submit(submission(key="k"))
        stage.deliver(*stage.claim())

        again = stage.submit(submission(key="k"))

        assert again.repeated
        assert again.queue_id == first.queue_id
        assert stage.counts() == {}

    def test_a_forgotten_key_is_new_again(self, stage: Stage) -> None:
        stage.submit(submission(key="k"))
        stage.submit(submission(key="l"))

        stage.store.forget_keys(["k", "unknown"]).result(WAIT)

        assert not stage.submit(submission(key="k")).repeated
        assert stage.submit(submission(key="l")).repeated

    def test_a_key_with_a_lifetime_counts_for_just_as_long(self, stage: Stage) -> None:
        """Its chooser has ended and will not say so; but it may come again."""
        mail = submission(key="k", lifetime=MINUTE)
        first = stage.submit(mail)
        stage.deliver(*stage.claim())

        again = stage.submit(mail, at=NOON + MINUTE - SECOND)
        late = stage.submit(mail, at=NOON + MINUTE)

        assert again.repeated
        assert again.queue_id == first.queue_id
        assert not late.repeated
        assert stage.counts() == {State.READY: 1}
        known = stage.submit(mail, at=NOON + 2 * MINUTE - SECOND)
        assert known.queue_id == late.queue_id

    def test_a_repetition_does_not_prolong_a_key(self, stage: Stage) -> None:
        stage.submit(submission(key="k", lifetime=MINUTE))

        for lifetime in (DAYS, None):
            stage.submit(submission(key="k", lifetime=lifetime), at=NOON + SECOND)

        late = submission(key="k", lifetime=MINUTE)
        assert not stage.submit(late, at=NOON + MINUTE).repeated

    def test_a_key_without_a_lifetime_counts_until_it_is_forgotten(
        self, stage: Stage
    ) -> None:
        stage.submit(submission(key="k"))

        late = submission(key="k", lifetime=SECOND)
        assert stage.submit(late, at=NOON + DAYS).repeated

    def test_a_key_with_a_lifetime_survives_a_restart_and_can_be_forgotten(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        mail = submission(key="k", lifetime=MINUTE)
        stage.submit(mail)

        stage = reopen("second")

        assert stage.submit(mail).repeated
        stage.store.forget_keys(["k"]).result(WAIT)
        assert not stage.submit(mail).repeated

    def test_an_id_that_is_taken_is_refused(self, stage: Stage) -> None:
        """The first message must not get the content of the second."""
        first = stage.submit(submission(content=MEGABYTE)).queue_id

        for content in (MEGABYTE[1:], MEGABYTE[1:2]):
            future = stage.store.add(submission(content=content), first, (NOON, NOON))
            with pytest.raises(StoreUnusable):
                future.result(WAIT)

        assert stage.content(first) == b"".join(MEGABYTE)
        assert stage.counts() == {State.READY: 1}

    def test_what_was_stored_is_there_after_a_restart(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        small = stage.submit(submission(key="k")).queue_id
        large = stage.submit(submission(content=MEGABYTE)).queue_id

        stage = reopen("second")

        assert stage.content(small) == b"Subject: hi\r\n\r\n"
        assert stage.content(large) == b"".join(MEGABYTE)
        assert stage.counts() == {State.READY: 2}
        assert stage.submit(submission(key="k")).repeated


class Reading:
    def test_an_empty_store_has_nothing_to_show(self, stage: Stage) -> None:
        assert stage.store.next_due() is None
        assert stage.store.oldest() is None
        assert stage.store.list("", 10) == []
        assert stage.store.show(UNKNOWN) is None
        assert set(stage.store.counts()) == set(State)
        assert stage.counts() == {}

    def test_content_of_a_message_that_is_not_there_cannot_be_read(
        self, stage: Stage
    ) -> None:
        with pytest.raises(ContentGone, match=UNKNOWN):
            stage.content(UNKNOWN)

    def test_the_next_due_is_the_earliest_of_ready_and_deferred(
        self, stage: Stage
    ) -> None:
        stage.add()
        stage.settle(outcome(stage.claim()[0], state=State.DEFERRED))

        assert stage.store.next_due() == NOON + timedelta(hours=1)
        stage.add(at=NOON + MINUTE)
        assert stage.store.next_due() == NOON + MINUTE

    def test_what_is_held_or_failed_is_never_due(self, stage: Stage) -> None:
        stage.add()
        stage.store.hold(stage.add()).result(WAIT)
        for lease in stage.claim():
            stage.settle(outcome(lease, state=State.FAILED, reply=REFUSED))

        assert stage.store.next_due() is None
        assert stage.claim(at=NOON + DAYS) == []
        assert stage.counts() == {State.HOLD: 1, State.FAILED: 1}

    def test_the_oldest_is_the_first_that_arrived(self, stage: Stage) -> None:
        stage.add(at=NOON)
        stage.add(at=NOON + SECOND)

        assert stage.store.oldest() == NOON
        stage.deliver(stage.claim()[0])
        assert stage.store.oldest() == NOON + SECOND

    def test_a_list_goes_on_after_the_last_that_was_shown(self, stage: Stage) -> None:
        added = [stage.add() for _ in range(5)]

        first = stage.store.list("", 2)
        rest = stage.store.list(first[-1].envelope.queue_id, 10)

        assert [one.envelope.queue_id for one in [*first, *rest]] == added
        assert stage.store.list(added[-1], 10) == []

    def test_counts_follow_every_change_and_survive_a_restart(
        self, stage: Stage, reopen: Reopen
    ) -> None:
        stage.add("a@example.net", "b@example.net", "c@example.net", "d@example.net")
        (lease,) = stage.claim()
        stage.settle(
            outcome(lease, 0),
            outcome(lease, 1, State.DEFERRED),
            outcome(lease, 2, State.FAILED, REFUSED),
        )
        expected = {State.READY: 1, State.DEFERRED: 1, State.FAILED: 1}

        assert stage.counts() == expected
        assert reopen("second").counts() == expected
