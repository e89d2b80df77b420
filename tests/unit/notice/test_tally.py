# SPDX-License-Identifier: Apache-2.0
"""Mail now, count, or put into a digest."""

from dataclasses import replace
from datetime import timedelta

import pytest

from maildropd.notice.tally import Ledger, Tally, Terms, on_failure, on_round
from tests.unit.notice.stage import HOUR, NOON, SECOND, failed

TERMS = Terms(window=HOUR, burst=2, span=timedelta(minutes=10), units=3)
EMPTY = Ledger()
SPENT = Ledger(mailed=(NOON - SECOND, NOON - SECOND))
LONG_AGO = Ledger(mailed=(NOON - timedelta(minutes=10),) * 2)
AHEAD = Ledger(mailed=(NOON + HOUR,) * 2)  # the clock was set back since


def tally(age: timedelta, count: int, unit: str = "a.service") -> Tally:
    """Return a record whose window was opened so long ago."""
    opened = NOON - age
    made = Tally(
        opened=opened,
        closes=opened + HOUR,
        window=HOUR,
        latest=failed(unit, opened),
        first=opened,
    )
    for _ in range(count):
        made = made.plus(failed(unit, opened))
    return made


@pytest.mark.parametrize(
    ("record", "known", "ledger", "mail", "count"),
    [
        (None, 0, EMPTY, True, 1),
        (None, 0, SPENT, False, 1),
        (None, 0, LONG_AGO, True, 1),
        (None, 0, AHEAD, True, 1),
        (None, 2, EMPTY, True, 1),
        (None, 3, EMPTY, False, None),
        (tally(SECOND, 0), 3, EMPTY, False, 1),
        (tally(SECOND, 5), 3, EMPTY, False, 6),
        (tally(HOUR, 0), 3, EMPTY, True, 1),
        (tally(HOUR - SECOND, 0), 3, EMPTY, False, 1),
        (tally(HOUR, 5), 3, EMPTY, False, 6),
        (tally(HOUR, 0), 3, SPENT, False, 1),
        (tally(-SECOND, 0), 3, EMPTY, True, 1),
    ],
    ids=[
        "the first is mailed",
        "not when there was too much mail",
        "but mail of long ago does not count",
        "nor mail of the future",
        "there is room for one unit more",
        "there is no room for one unit more",
        "within the window it is counted",
        "and counted",
        "after a quiet window it is mailed",
        "the window is as long as it says",
        "what a digest is due for is counted with it",
        "after a quiet window, too, not when there was too much mail",
        "a window of the future is over",
    ],
)
def test_a_failure_is_mailed_or_counted(
    record: Tally | None, known: int, ledger: Ledger, *, mail: bool, count: int | None
) -> None:
    decision = on_failure(failed(), record, known, ledger, TERMS)

    assert decision.mail is mail
    assert (decision.tally.count if decision.tally else None) == count
    spent = ledger.room(NOON, TERMS) - decision.ledger.room(NOON, TERMS)
    assert spent == mail
    assert decision.ledger.unrecorded == (count is None)


def test_what_was_too_much_to_mail_is_told_of_in_the_next_round() -> None:
    counted = on_failure(failed(), None, 0, SPENT, TERMS).tally

    assert counted
    assert on_round([counted], NOON, EMPTY, TERMS).digests == (counted,)


@pytest.mark.parametrize(
    ("age", "count", "digest", "over"),
    [
        (HOUR, 2, True, False),
        (HOUR, 0, False, True),
        (HOUR - SECOND, 2, False, False),
        (HOUR - SECOND, 0, False, False),
        (-SECOND, 2, True, False),
    ],
)
def test_a_window_is_closed_in_time(
    age: timedelta, count: int, *, digest: bool, over: bool
) -> None:
    record = tally(age, count)

    found = on_round([record], NOON, EMPTY, TERMS)

    assert (found.digests == (record,), found.over == (record,)) == (digest, over)
    assert not found.together


@pytest.mark.parametrize(
    ("units", "ledger", "digests", "together"),
    [
        (2, EMPTY, 2, 0),
        (3, EMPTY, 0, 3),
        (1, SPENT, 0, 1),
        (1, Ledger(unrecorded=7), 0, 1),
        (0, Ledger(unrecorded=7), 0, 0),
    ],
)
def test_too_many_digests_become_one(
    units: int, ledger: Ledger, digests: int, together: int
) -> None:
    due = [tally(HOUR, 1, f"{n}.service") for n in range(units)]

    found = on_round(due, NOON, ledger, TERMS)

    assert (len(found.digests), len(found.together)) == (digests, together)


def test_what_comes_while_a_mail_is_handed_over_is_left_for_the_next() -> None:
    told = tally(HOUR, 2)
    meanwhile = told.plus(failed(at=NOON, status="7"))

    left = meanwhile.minus(told)

    assert left.count == 1
    assert left.first == NOON
    assert left.results == {"exit-code, status=7": 1}


def test_a_unit_that_fails_in_ever_new_ways_takes_no_more_room() -> None:
    record = tally(SECOND, 0)
    for status in range(200):
        record = record.plus(failed(status=str(status)))

    assert record.count == sum(record.results.values()) == 200
    assert len(record.results) == 11


def test_the_ledger_does_not_grow() -> None:
    ledger = EMPTY
    for seconds in range(100):
        ledger = ledger.plus(3, NOON + seconds * SECOND, TERMS)

    assert len(ledger.mailed) <= TERMS.burst


def test_a_window_of_no_length_mails_every_failure() -> None:
    terms = replace(TERMS, window=timedelta(0))
    record = on_failure(failed(), None, 0, EMPTY, terms).tally
    assert record

    assert on_failure(failed(), record.minus(record), 1, EMPTY, terms).mail
