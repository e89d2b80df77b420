# SPDX-License-Identifier: Apache-2.0
"""Every row of docs/QUEUE.md, with each system call failing, and each the last.

SQLite's calls as well as ours.  What was refused is gone, what was accepted is
kept, what was delivered is not sent again; each state that a crash leaves is in
the table, and each row of the table is met.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from typing import Any

import pytest

from tests.faults.steps_page import Row, rows
from tests.faults.steps_run import GROUPS, run
from tests.faults.steps_trial import Result

Facts = dict[str, Any]
Runs = Callable[[str, str], list[Result]]

SHOWN = 3  # of what is wrong
TAKING = "`NAME`, unchanged for `settle_time`"
JUDGED = (
    "`NAME` that is no file, has several names, is empty, too large or"
    " unreadable, or holds no message with an envelope"
)
DIRECTORY = rows("What the directory says")
TRANSITIONS = rows("The transitions")
OPENINGS = rows("Opening and closing")
ATTEMPT = rows("The attempt")
HEARD = rows("One writer, shared commits")
SHAPES = rows("The tables", "state")
TAKEN = rows("From the file to the store")
ASIDE = rows("To the quarantine")
LARGE = rows("Large contents")
NOTHING_LOST = rows("Why nothing is lost")


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """Run all scenes of a row, two at a time, and each only once."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler")
    with ThreadPoolExecutor(2) as pool:

        @cache
        def of(group: str, row: str) -> list[Result]:
            names = GROUPS[group]()[row]
            return list(pool.map(lambda name: run(group, row, name), names))

        yield of


def holds(results: list[Result]) -> None:
    """Check that nothing went wrong in any trial."""
    assert all(result.trials for result in results)
    wrong = [one for result in results for one in result.wrong]
    assert not wrong, f"{len(wrong)} times, as\n" + "\n".join(wrong[:SHOWN])


def seen(results: list[Result], place: str) -> list[Facts]:
    return [facts for result in results for facts in result.seen.get(place, [])]


def named(row: Row) -> str:
    return row[0]


@pytest.mark.parametrize("row", DIRECTORY, ids=named)
def test_what_lies_in_the_drop_ends_where_the_table_says(row: Row, runs: Runs) -> None:
    holds(runs("drop", row[0]))


@pytest.mark.parametrize("row", TRANSITIONS, ids=named)
def test_a_call_of_the_store_is_done_or_it_is_not(row: Row, runs: Runs) -> None:
    """Told done: done for good.  Told refused: gone for good.  Else one of the two."""
    holds(runs("store", row[0].replace("`", "")))


HEARS: dict[str, tuple[str, str]] = {
    "`StoreFull`, 452": ("FAIL_ON ENOSPC write queue.db-wal", "refused: StoreFull"),
    "`StoreUnusable`, 451": ("FAIL_ON EIO create .", "refused: StoreUnusable"),
    "`StoreInDoubt`, 451": ("FAIL_ON EIO sync queue.db-wal", "in doubt"),
    "nothing of it: the change is made alone, and is made": (
        "FAIL_ONCE EIO sync queue.db-wal",
        "done",
    ),
}


@pytest.mark.parametrize("row", HEARD[:-1], ids=named)
def test_a_caller_hears_what_the_table_says(row: Row, runs: Runs) -> None:
    """The last row, a bug of ours, is held by tests/unit/store/test_writer.py."""
    fault, word = HEARS[row[1]]

    told = [
        word
        for result in runs("store", "add")
        for name, words in result.told.items()
        for word in words
        if name.startswith(fault)
    ]

    assert told
    assert all(each.startswith(word) for each in told), told


def shape(row: Row) -> list[list[object]]:
    """Return the rows of a recipient that a line allows, as the scenes see them."""
    states = [one for one in ("ready", "deferred", "hold", "failed") if one in row[1]]
    holds = [0, 1] if row[4].startswith("1") else [int(row[4])]
    return [
        [state, int(row[2] == "NULL"), int(row[3] == "NULL"), hold]
        for state in states
        for hold in holds
    ]


def test_a_recipients_row_is_always_one_of_the_table(runs: Runs) -> None:
    allowed = [row for row in SHAPES if len(row) == 5 and row[1]]
    results = [one for row in GROUPS["store"]() for one in runs("store", row)]

    found = [
        each
        for result in results
        for facts in chain.from_iterable(result.seen.values())
        for each in facts["shapes"]
    ]

    assert not [
        each for each in found if not any(each in shape(row) for row in allowed)
    ]
    unmet = [row[0] for row in allowed if not any(each in found for each in shape(row))]
    assert unmet == []


@pytest.mark.parametrize("row", OPENINGS, ids=named)
def test_a_start_or_an_end_that_breaks_loses_nothing(row: Row, runs: Runs) -> None:
    group = "migration" if row[0] == "migrate" else "opening"
    holds(runs(group, row[0]))


@pytest.mark.parametrize("row", ATTEMPT, ids=lambda row: row[1])
def test_what_came_of_an_attempt_is_recorded_and_told_or_neither(
    row: Row, runs: Runs
) -> None:
    """Its event follows the record, and never without it."""
    holds(runs("attempt", row[1]))


IN_DROP: dict[str, Callable[[Facts], bool]] = {
    "the file": lambda facts: bool(facts["drop"]),
    "nothing": lambda facts: not facts["drop"],
    "nothing, for good": lambda facts: not facts["drop"],
    "nothing; after a power cut perhaps the file again": lambda facts: (
        facts["cut"] or not facts["drop"]
    ),
}
IN_STORE: dict[str, Callable[[Facts], bool]] = {
    "nothing, or content without a row": lambda facts: not facts["stored"],
    "the message and its key": lambda facts: (
        len(facts["stored"]) == facts["keys"] == 1 and not facts["orphans"]
    ),
    "the message": lambda facts: (
        len(facts["stored"]) == 1 and not facts["keys"] and not facts["orphans"]
    ),
}


def taking(runs: Runs) -> list[Result]:
    return runs("drop", TAKING)[:2]  # one file at a time


@pytest.mark.parametrize("row", TAKEN, ids=named)
def test_a_file_is_in_the_drop_or_in_the_store(row: Row, runs: Runs) -> None:
    found = seen(taking(runs), row[0])

    assert found, f"no crash is after step {row[0]}"
    assert all(IN_DROP[row[1]](facts) for facts in found), found
    assert all(IN_STORE[row[2]](facts) for facts in found), found


IN_QUARANTINE: dict[str, Callable[[Facts], bool]] = {
    "a reason without a file; the next start sets the file aside again,"
    " under a name of its own": lambda facts: facts["reasons"] and not facts["aside"],
    "a copy and its reason; the next start sets the file aside again,"
    " under a name of its own": lambda facts: facts["reasons"] and facts["aside"],
    "the file and its reason": lambda facts: (
        bool(facts["aside"]) and not facts["unexplained"]
    ),
    "the file and its reason; after a power cut perhaps the reason alone": (
        lambda facts: bool(facts["reasons"]) and (facts["cut"] or facts["aside"])
    ),
}


@pytest.mark.parametrize("row", ASIDE, ids=named)
def test_what_is_set_aside_has_its_reason_beside_it(row: Row, runs: Runs) -> None:
    found = seen(runs("drop", JUDGED), row[0])

    assert found, f"no crash is after step {row[0]}"
    assert all(IN_DROP[row[1]](facts) for facts in found), found
    assert all(IN_QUARANTINE[row[2]](facts) for facts in found), found


ON_DISK: dict[str, Callable[[Facts], bool]] = {
    "an unfinished `.ID.tmp`": lambda facts: not facts["row"] and not facts["content"],
    "`ID`, or both names": lambda facts: not facts["row"],
    "`ID`": lambda facts: not facts["row"] and facts["content"] and not facts["draft"],
    "file and row": lambda facts: facts["row"] and facts["content"],
    "the same": lambda facts: facts["row"] and facts["content"],
}


@pytest.mark.parametrize("row", LARGE, ids=named)
def test_a_large_content_is_never_missed_by_its_row(row: Row, runs: Runs) -> None:
    results = [runs("store", "add")[1], runs("store", "settle, delivered")[1]]
    found = seen(results, row[0])

    assert found, f"no crash is {row[0]}"
    assert all(ON_DISK[row[1]](facts) for facts in found), found


OF_A_LIFE: dict[str, Callable[[Facts], bool]] = {
    "an unfinished file, or none": lambda facts: not facts["stored"],
    "the file": lambda facts: facts["drop"] and not facts["stored"],
    "the file; perhaps a content file without a row": lambda facts: (
        facts["drop"] and not facts["stored"]
    ),
    "the file and the row, with one submission key": lambda facts: (
        facts["drop"] and len(facts["stored"]) == facts["keys"] == 1
    ),
    "the row": lambda facts: len(facts["stored"]) == 1,
    "the row with a lease of a dead owner": lambda facts: facts["leased"],
    "the same": lambda facts: facts["leased"],
    "the outcome": lambda facts: not facts["stored"] and not facts["drop"],
}


def test_a_mail_is_sent_once_or_twice_where_the_table_says(runs: Runs) -> None:
    holds(runs("life", "life"))


@pytest.mark.parametrize("row", NOTHING_LOST, ids=named)
def test_at_any_cut_the_mail_is_where_the_table_says(row: Row, runs: Runs) -> None:
    found = seen(runs("life", "life"), row[0])

    assert found, f"no crash is {row[0]}"
    assert all(OF_A_LIFE[row[1]](facts) for facts in found), found
