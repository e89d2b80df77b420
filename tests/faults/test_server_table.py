# SPDX-License-Identifier: Apache-2.0
"""Every line of the table, tried on a real queue and a real connection.

All that were asked for run side by side, once: most of them wait.
"""

import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import cast

import pytest

from maildropd.mail.event import Event
from maildropd.mail.events import RecipientDelivered
from maildropd.mail.reply import Reply
from maildropd.store.base import State
from tests.faults.server_acts import LIMIT, PLACES
from tests.faults.server_table import Row, rows
from tests.faults.server_trial import BOB, EVE, GOOD, Record, tried_out

SIDE_BY_SIDE = 32
SOON = 5.0  # seconds
STATES: Mapping[str, State] = {
    "waits": State.READY,
    "alarm": State.READY,
    "deferred": State.DEFERRED,
    "in_doubt": State.DEFERRED,
    "failed": State.FAILED,
}
NEXT: Mapping[str, timedelta | None] = {
    "": None,
    "1 s": timedelta(seconds=1),
    "1 min": timedelta(minutes=1),
    "5 min": timedelta(minutes=5),
}

Records = Mapping[str, Future[Record]]


@pytest.fixture(scope="module")
def records(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Records:
    """Try out all lines that this run asks for."""
    asked: dict[str, Row] = {
        str(item.callspec.params["row"]): cast("Row", item.callspec.params["row"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    folder = tmp_path_factory.mktemp("table")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return {
            name: pool.submit(tried_out, row, folder / f"{number}")
            for number, (name, row) in enumerate(asked.items())
        }


def reply_kept(record: Record) -> Reply:
    """Return the one reply that both recipients have."""
    [reply] = {each.reply for each in record.left}
    assert reply is not None
    return reply


def status_of(event: Event) -> str:
    """Return the last word of a recipient's line, before the reply."""
    found = re.search(r"status=(\w+)", event.text())
    return found[1] if found else ""


@pytest.mark.parametrize("row", rows(), ids=str)
def test_what_a_server_does_to_mail_is_what_the_table_says(
    row: Row, records: Records
) -> None:
    record = records[str(row)].result()

    check_recipients(row, record)
    check_events(row, record)
    if row.becomes in ("waits", "alarm"):
        assert record.pause == NEXT[row.after]
    else:
        assert record.pause is None
    assert record.took < LIMIT.total_seconds() + SOON
    assert record.good_took < SOON
    check_copies(row, record)


def check_recipients(row: Row, record: Record) -> None:
    """Both have come to the same, and wait as long as the table says."""
    if row.becomes == "delivered":
        assert record.left == ()
        return
    waits = row.becomes in ("waits", "alarm")
    due = timedelta(0) if waits else NEXT[row.after]
    expected = (STATES[row.becomes], 0 if waits else 1, record.relay)
    assert [(e.state, e.attempts, e.relay) for e in record.left] == [expected] * 2
    assert record.due == (due, due)
    reply = reply_kept(record)
    pattern = row.reply.format(
        at=PLACES.get(row.stage),
        limit=f"{LIMIT.total_seconds():g}",
        relay=record.relay,
    )
    assert fnmatchcase(f"{reply.code} {reply.status} {reply.text}", pattern)
    assert reply.text.isprintable()


def check_events(row: Row, record: Record) -> None:
    """Each fault is told once for each whom it is about, in these words."""
    told = [each for each in record.events if type(each).__name__ in KINDS]
    if row.becomes == "delivered":
        expected = [
            ("RecipientDelivered", line(record, to, "delivered", each.reply))
            for to, each in zip((BOB, EVE), told, strict=True)
            if isinstance(each, RecipientDelivered)
        ]
        assert {each.fields()["MAILDROP_DSN"] for each in told} == {"2.0.0"}
    elif row.becomes in ("waits", "alarm"):
        reply = reply_kept(record)
        kind, text = ROUTE[row.becomes]
        expected = [(kind, f"relay {record.relay}: {text} ({reply})")]
        check_fields(told[0], record, reply, None)
    else:
        reply = reply_kept(record)
        expected = [
            (KIND[row.becomes], line(record, to, row.becomes, reply))
            for to in (BOB, EVE)
        ]
        for event, to in zip(told, (BOB, EVE), strict=True):
            check_fields(event, record, reply, to)
    assert [(type(each).__name__, each.text()) for each in told] == expected


def line(record: Record, to: str, status: str, reply: Reply) -> str:
    """Return the line of a recipient, as mail logs have it."""
    return (
        f"{record.queue_id}: to=<{to}>, relay={record.relay}, delay=0.00,"
        f" dsn={reply.status}, status={status} ({reply})"
    )


def check_fields(event: Event, record: Record, reply: Reply, to: str | None) -> None:
    """The journal's fields say the same to programs."""
    fields = event.fields()
    told = {
        "MAILDROP_RELAY": record.relay,
        "MAILDROP_REPLY": str(reply),
        "MAILDROP_DSN": reply.status,
    }
    if to:
        told |= {
            "MAILDROP_QUEUE_ID": record.queue_id,
            "MAILDROP_RECIPIENT": to,
            "MAILDROP_ATTEMPT": "1",
            "MAILDROP_DELAY_USEC": "0",
        }
    wait = record.due[0] if to else record.pause
    if wait is not None:
        told["MAILDROP_RETRY_IN_USEC"] = str(round(wait.total_seconds() * 1e6))
    assert fields == told


def check_copies(row: Row, record: Record) -> None:
    """One each; none where it failed; a second only where the first was in doubt."""
    each = 0 if row.becomes == "failed" else 1
    if row.becomes == "in_doubt" and row.kept:
        each = 2
    expected = Counter({BOB: each, EVE: each, GOOD: 1})
    found = Counter(record.copies)
    found.pop("nobody@example.net", None)
    assert +found == +expected
    assert bool(record.finally_left) is (row.becomes == "failed")


KIND: Mapping[str, str] = {
    "deferred": "RecipientDeferred",
    "in_doubt": "RecipientInDoubt",
    "failed": "RecipientFailed",
}
ROUTE: Mapping[str, tuple[str, str]] = {
    "waits": ("RouteFailed", "unreachable, next try in 1.00 s"),
    "alarm": ("RouteAlarm", "refuses this host, mail waits until that is mended"),
}
KINDS = frozenset(
    (
        *(*KIND.values(), "RecipientDelivered", "RecipientExpired", "LeaseLost"),
        *("RouteFailed", "RouteAlarm", "RouteRestored", "InternalError"),
    )
)
