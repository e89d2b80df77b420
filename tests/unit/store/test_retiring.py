# SPDX-License-Identifier: Apache-2.0
"""Who failed leaves in the change that brings the one report on many."""

from maildropd.mail.envelope import QueueId
from maildropd.store.base import Notice, State
from maildropd.store.sqlite import SqliteStore
from tests.unit.store.stage import (
    DAYS,
    NOON,
    REFUSED,
    WAIT,
    Stage,
    outcome,
    submission,
)


def notice(stage: Stage) -> Notice:
    return Notice(
        submission=submission("ann@example.org"),
        queue_id=next(stage.ids),
        arrived=NOON,
        give_up=NOON + DAYS,
    )


def failed(stage: Stage, *recipients: str) -> QueueId:
    """Add a message whose recipients were all refused."""
    stage.add(*recipients)
    (lease,) = stage.claim()
    many = range(len(lease.recipients))
    stage.settle(*(outcome(lease, n, State.FAILED, REFUSED) for n in many))
    return lease.envelope.queue_id


def test_those_who_failed_go_and_one_report_comes(store: SqliteStore) -> None:
    stage = Stage(store)
    first, second = failed(stage, "a@x", "b@x"), failed(stage, "c@x")
    report = notice(stage)

    done = store.failures.retire([(first, 0), (first, 1), (second, 0)], report)

    assert done.result(WAIT).done == (first, second)
    assert done.result(WAIT).noticed == (report.queue_id,)
    assert stage.counts() == {State.READY: 1}


def test_who_was_released_meanwhile_stays_and_is_not_told_of(
    store: SqliteStore,
) -> None:
    stage = Stage(store)
    name = failed(stage, "a@x")
    store.release(name, NOON).result(WAIT)

    done = store.failures.retire([(name, 0)], notice(stage)).result(WAIT)

    assert (done.done, done.noticed) == ((), ())
    assert stage.counts() == {State.DEFERRED: 1}


def test_only_those_are_listed_who_failed_each_message_once(
    store: SqliteStore,
) -> None:
    stage = Stage(store)
    names = [failed(stage, "a@x", "b@x") for _ in range(3)]
    stage.add("c@x")

    assert store.failures.list("", 9) == names
    assert store.failures.list(names[0], 1) == [names[1]]
