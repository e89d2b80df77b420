# SPDX-License-Identifier: Apache-2.0
"""What the store can be asked to change, by the names that docs/QUEUE.md uses."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from maildropd.mail.envelope import QueueId, Submission, Terms
from maildropd.store import operating
from maildropd.store.base import Lease, Notice, State
from maildropd.store.sqlite import SqliteStore
from tests.faults.steps_store import Act, Prepare, StoreScene
from tests.unit.store.stage import (
    BUSY,
    DAYS,
    NOON,
    REFUSED,
    Stage,
    outcome,
    submission,
)

LARGE = [bytes([n]) * 65536 for n in range(6)]
TWO = ("bob@example.net", "carol@example.net")
_LATER = NOON + timedelta(minutes=30)
_TERMS = Terms(notify="NEVER", orcpt="rfc822;bob", run="|/bin/true")


def _nothing(stage: Stage) -> None:
    """The store is empty."""


def _added(*recipients: str, large: bool = False) -> Prepare:
    def prepare(stage: Stage) -> QueueId:
        what = submission(*recipients, content=LARGE) if large else None
        return stage.submit(what or submission(*recipients)).queue_id

    return prepare


def _known(stage: Stage) -> None:
    stage.submit(submission(key="k"))


def _known_once(stage: Stage) -> None:
    stage.submit(submission(key="k", lifetime=timedelta(0)))


def _leased(*recipients: str, large: bool = False) -> Prepare:
    def prepare(stage: Stage) -> Lease:
        _added(*recipients, large=large)(stage)
        (lease,) = stage.claim()
        return lease

    return prepare


def _settled(stage: Stage) -> Lease:
    """Somebody else had his say, and there is one more to be seen."""
    lease: Lease = _leased()(stage)
    stage.deliver(lease)
    stage.add()
    return lease


def _leased_to_hold(stage: Stage) -> Lease:
    lease: Lease = _leased()(stage)
    stage.store.hold(lease.envelope.queue_id).result()
    return lease


def _became(state: State) -> Prepare:
    """Two recipients, and both have been tried."""

    def prepare(stage: Stage) -> QueueId:
        lease: Lease = _leased(*TWO)(stage)
        reply = REFUSED if state is State.FAILED else BUSY
        stage.settle(*(outcome(lease, n, state, reply) for n in range(2)))
        return lease.envelope.queue_id

    return prepare


def _held(stage: Stage) -> QueueId:
    queue_id = stage.add(*TWO)
    stage.store.hold(queue_id).result()
    return queue_id


def _add(what: dict[str, Any], stage: Stage, _context: object) -> "Future[Any]":
    whole: Submission = submission(**what)
    return stage.store.add(whole, next(stage.ids), (NOON, NOON + DAYS))


def _settle(state: State | None, index: int = 0, *, attempted: bool = True) -> Act:
    reply = {State.DEFERRED: BUSY, State.FAILED: REFUSED}.get(state or State.READY)

    def act(stage: Stage, lease: Lease) -> "Future[Any]":
        one = outcome(lease, index, state, reply, attempted=attempted)
        return stage.store.settle([one])

    return act


def _settle_telling(**what: Any) -> Act:
    def act(stage: Stage, lease: Lease) -> "Future[Any]":
        return stage.store.settle([outcome(lease)], [_notice(stage, **what)])

    return act


def _retire(**what: Any) -> Act:
    def act(stage: Stage, queue_id: QueueId) -> "Future[Any]":
        assert isinstance(stage.store, SqliteStore)
        failed = [(queue_id, 0), (queue_id, 1)]
        return stage.store.failures.retire(failed, _notice(stage, **what))

    return act


def _keep_cursor(*, warns: bool = False) -> Act:
    def act(stage: Stage, queue_id: QueueId) -> "Future[Any]":
        notices = [_notice(stage)] if warns else []
        return stage.store.keep_cursor(queue_id, notices)

    return act


def _notice(stage: Stage, **what: Any) -> Notice:
    return Notice(
        submission=replace(submission(**what), reverse_path=None),
        queue_id=next(stage.ids),
        arrived=NOON,
        give_up=NOON + DAYS,
    )


def _claim(stage: Stage, _context: object) -> "Future[Any]":
    return stage.store.claim(100, NOON, NOON + timedelta(minutes=1))


def _renew(stage: Stage, lease: Lease) -> "Future[Any]":
    return stage.store.renew(lease, _LATER)


def _take_over(stage: Stage, _context: object) -> "Future[Any]":
    return stage.store.take_over(NOON)


def _hold(stage: Stage, queue_id: QueueId) -> "Future[Any]":
    return stage.store.hold(queue_id)


def _hold_leased(stage: Stage, lease: Lease) -> "Future[Any]":
    return stage.store.hold(lease.envelope.queue_id)


def _release(stage: Stage, queue_id: QueueId) -> "Future[Any]":
    return stage.store.release(queue_id, NOON)


def _release_leased(stage: Stage, lease: Lease) -> "Future[Any]":
    return stage.store.release(lease.envelope.queue_id, NOON)


def _remove(stage: Stage, queue_id: QueueId) -> "Future[Any]":
    return stage.store.remove(queue_id)


def _flush(stage: Stage, _context: object) -> "Future[Any]":
    operating.FLUSH_STEP = 1  # this process is about to end
    return stage.store.flush([], NOON)


def _flush_these(stage: Stage, queue_id: QueueId) -> "Future[Any]":
    return stage.store.flush([queue_id], NOON)


def _forget(stage: Stage, _context: object) -> "Future[Any]":
    return stage.store.forget_keys(["k"])


def _scene(prepare: Prepare, act: Act, **more: Any) -> StoreScene:
    return StoreScene(prepare=prepare, act=act, **more)


def transitions() -> Mapping[str, Mapping[str, StoreScene]]:
    """Return the scenes of each row, by what its first cell says."""
    return _of_an_attempt() | _of_operators()


def _of_an_attempt() -> dict[str, Mapping[str, StoreScene]]:
    add = partial(partial, _add)
    return {
        "add": {
            "small": _scene(_nothing, add({"key": "k"}), sampled=False),
            "large": _scene(
                _nothing, add({"key": "k", "content": LARGE}), sampled=False
            ),
            "again": _scene(_known, add({"key": "k"})),
            "large again": _scene(_known, add({"key": "k", "content": LARGE})),
            "on terms": _scene(_nothing, add({"key": "k", "terms": (_TERMS,)})),
            "under a key that is too old": _scene(_known_once, add({"key": "k"})),
        },
        "claim": {"two recipients": _scene(_added(*TWO), _claim)},
        "renew": {"two recipients": _scene(_leased(*TWO), _renew)},
        "settle, delivered": {
            "the only one": _scene(_leased(), _settle(None), sampled=False),
            "of a large mail": _scene(_leased(large=True), _settle(None)),
            "one of two": _scene(_leased(*TWO), _settle(None, 1)),
        },
        "settle, with notices": {
            "one of two": _scene(_leased(*TWO), _settle_telling()),
            "the last one": _scene(_leased(), _settle_telling()),
            "large for large": _scene(
                _leased(large=True), _settle_telling(content=LARGE)
            ),
            "nobody is left to tell of": _scene(_settled, _settle_telling()),
        },
        "settle, else": {
            "deferred": _scene(_leased(*TWO), _settle(State.DEFERRED)),
            "failed": _scene(_leased(*TWO), _settle(State.FAILED)),
            "as it was": _scene(_leased(), _settle(State.READY, attempted=False)),
            "to be held": _scene(_leased_to_hold, _settle(State.DEFERRED)),
        },
        "take_over": {
            "of a dead one": _scene(_leased(*TWO), _take_over, restarts=True),
            "to be held": _scene(_leased_to_hold, _take_over, restarts=True),
        },
    }


def _of_operators() -> dict[str, Mapping[str, StoreScene]]:
    return {
        "hold": {
            "waiting": _scene(_added(*TWO), _hold),
            "leased": _scene(_leased(), _hold_leased),
        },
        "release": {
            "held": _scene(_held, _release),
            "failed": _scene(_became(State.FAILED), _release),
            "to be held": _scene(_leased_to_hold, _release_leased),
        },
        "remove": {
            "small": _scene(_added(*TWO), _remove),
            "large": _scene(_added(*TWO, large=True), _remove),
            "held": _scene(_held, _remove),
        },
        "flush": {
            "all": _scene(_became(State.DEFERRED), _flush, by_recipient=True),
            "one": _scene(_became(State.DEFERRED), _flush_these),
        },
        "forget_keys": {"one": _scene(_known, _forget)},
        "retire": {
            "two of one": _scene(_became(State.FAILED), _retire()),
            "for a large report": _scene(_became(State.FAILED), _retire(content=LARGE)),
            "nobody is left": _scene(_became(State.DEFERRED), _retire()),
        },
        "keep_cursor": {
            "alone": _scene(_added(*TWO), _keep_cursor()),
            "with a warning": _scene(_added(*TWO), _keep_cursor(warns=True)),
        },
    }
