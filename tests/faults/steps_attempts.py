# SPDX-License-Identifier: Apache-2.0
"""What can come of an attempt, by the names that docs/QUEUE.md uses."""

import sqlite3
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from maildropd.mail.bounce_events import MessageBounced
from maildropd.mail.errors import RouteError
from maildropd.mail.event import Event
from maildropd.mail.events import (
    ContentLost,
    RecipientDeferred,
    RecipientDelivered,
    RecipientExpired,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply
from maildropd.queue.attempt import Attempt
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import Breaker
from maildropd.queue.errand import Errand
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge
from maildropd.relay.base import Delivery
from maildropd.store.base import Lease, State
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fakes.relay import alive
from tests.fakes.reporting import reporter
from tests.fakes.transport import FakeRelay, Script
from tests.faults.steps_store import StoreScene
from tests.faults.steps_transitions import TWO, transitions
from tests.unit.store.stage import BUSY, NOON, REFUSED, Stage, outcome, submission

_NOW = NOON + timedelta(hours=2)
_OLD = timedelta(days=6)


def _lease(stage: Stage, at: datetime = NOON) -> Lease:
    """One recipient was never tried, the other is deferred; both are leased."""
    stage.submit(submission(*TWO), at=at)
    (lease,) = stage.claim()
    stage.settle(
        outcome(lease, 0, State.READY, attempted=False),
        outcome(lease, 1, State.DEFERRED, BUSY),
    )
    (lease,) = stage.claim(at=_NOW)
    return lease


def _old_lease(stage: Stage) -> Lease:
    return _lease(stage, NOON - _OLD)


def _lease_of_nobody(stage: Stage) -> Lease:
    stage.submit(replace(submission(*TWO), reverse_path=None))
    (lease,) = stage.claim()
    return lease


def _changed_lease(stage: Stage) -> Lease:
    lease = _lease(stage)
    assert isinstance(stage.store, SqliteStore)
    with closing(sqlite3.connect(stage.store._reader._path)) as database:
        database.execute("UPDATE content SET octets = zeroblob(10)")
        database.commit()
    return replace(lease, octets=None)  # it is read apart, as a large one is


def _answer(reply: Reply) -> Script:
    def script(delivery: Delivery) -> tuple[Outcome, ...]:
        return tuple(Outcome.of(reply, "fake:25") for _ in delivery.recipients)

    return script


def _no_answer(delivery: Delivery) -> tuple[Outcome, ...]:
    one = Outcome(
        disposition=Disposition.DEFERRED,
        reply=Reply(451, "4.4.2", "the connection broke"),
        relay="fake:25",
        in_doubt=True,
    )
    return (one,) * len(delivery.recipients)


def _no_route(delivery: Delivery) -> tuple[Outcome, ...]:
    raise RouteError("connection refused")


def _bug(_: Delivery) -> tuple[Outcome, ...]:
    raise LookupError("a bug")


def _tried(
    script: Script, event: type[Event] | None = None, **more: Any
) -> Mapping[str, StoreScene]:
    """Return the scene of one attempt, from the answer on."""
    journal = FakeJournal()

    def act(stage: Stage, lease: Lease) -> "Future[Any]":
        clock = FakeClock()
        clock.time = _NOW
        backoff = Backoff(first=timedelta(minutes=5), slowest=timedelta(hours=4))
        judge = Judge(backoff, jitter=lambda: 0.0)
        attempt = Attempt(
            stage.store, judge, reporter(stage.store, clock), journal, clock
        )
        route = RouteWatch("fake:25", Breaker(clock), journal)
        transport = FakeRelay(script).transport()
        try:
            verdicts = attempt.try_once(Errand(lease), transport, route, alive)
        except RouteError as error:
            route.failed(error)
            verdicts = attempt.shed(lease, route, error.reply)
        return attempt.record(verdicts)

    more.setdefault("prepare", _lease)
    return {"tried": StoreScene(act=act, journal=journal, event=event, **more)}


def attempts() -> Mapping[str, Mapping[str, StoreScene]]:
    """Return the scenes of each row, by what happens in it."""
    store = transitions()
    age = "any of the four above, and older than `give_up_after`"
    route = "the route is broken: no connection, no TLS, no AUTH, no DNS"
    dot = "the connection breaks after the final dot, before the reply"
    accepted = _answer(Reply(250, "2.0.0", "ok"))
    return {
        "the next hop answers 2yz for this recipient": _tried(
            accepted, RecipientDelivered
        ),
        "it answers 5yz for this recipient": _tried(_answer(REFUSED), MessageBounced),
        "it answers 5yz, and there is nobody to tell": _tried(
            _answer(REFUSED), RecipientFailed, prepare=_lease_of_nobody
        ),
        "it answers 4yz": _tried(_answer(BUSY), RecipientDeferred),
        dot: _tried(_no_answer, RecipientInDoubt),
        "an attempt meets a bug of ours": _tried(_bug, RecipientInDoubt),
        route: _tried(_no_route),
        age: _tried(_answer(BUSY), RecipientExpired, prepare=_old_lease),
        "the content is missing or has changed": _tried(
            accepted, ContentLost, prepare=_changed_lease, lost=True
        ),
        "the daemon dies": store["take_over"],
        "`maildropctl hold`": store["hold"],
        "`maildropctl release`": store["release"],
        "`maildropctl flush`": store["flush"],
        "`maildropctl remove`": store["remove"],
    }
