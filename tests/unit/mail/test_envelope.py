# SPDX-License-Identifier: Apache-2.0
"""Envelopes, submissions, and the ids that mail has in the queue."""

from datetime import UTC, datetime, timedelta

import pytest

from maildropd.mail.envelope import (
    Envelope,
    Submission,
    Submitter,
    is_queue_id,
    queue_id,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBMITTER = Submitter(name="spool=drop", uid=1000)


def test_ids_sort_by_time() -> None:
    times = [NOW + timedelta(microseconds=n) for n in (0, 1, 2, 10**6, 10**13)]

    ids = [queue_id(at, 1023 - n) for n, at in enumerate(times)]

    assert ids == sorted(ids)
    assert all(is_queue_id(each) for each in ids)


def test_chance_tells_ids_of_one_moment_apart() -> None:
    assert len({queue_id(NOW, n) for n in range(1024)}) == 1024
    assert queue_id(NOW, 1024) == queue_id(NOW, 0)


def test_a_clock_before_our_time_still_makes_an_id() -> None:
    assert is_queue_id(queue_id(datetime(1970, 1, 1, tzinfo=UTC), 0))


@pytest.mark.parametrize(
    "text", ["", "0" * 11, "0" * 13, "0" * 11 + "I", "0" * 11 + "u", "0" * 11 + " "]
)
def test_what_cannot_be_an_id_is_seen(text: str) -> None:
    """Crockford leaves out I, L, O and U."""
    assert not is_queue_id(text)


def test_a_submission_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="recipient"):
        Submission(reverse_path=None, recipients=(), submitter=SUBMITTER, content=[])


@pytest.mark.parametrize(("reverse_path", "may_bounce"), [("a@x", True), (None, False)])
def test_a_null_reverse_path_is_never_bounced_to(
    reverse_path: str | None, *, may_bounce: bool
) -> None:
    envelope = Envelope(
        queue_id=queue_id(NOW, 0),
        reverse_path=reverse_path,
        arrived=NOW,
        size=1,
        submitter=SUBMITTER,
    )

    assert envelope.may_bounce is may_bounce


def test_a_submitter_is_named_with_the_uid_if_there_is_one() -> None:
    assert str(SUBMITTER) == "spool=drop uid=1000"
    assert str(Submitter(name="socket")) == "socket"
