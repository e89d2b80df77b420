# SPDX-License-Identifier: Apache-2.0
"""What keeps the store small, fast and safe, where no caller would notice."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.store import claiming, leasing, operating, rows
from maildropd.store import housekeeping as store_housekeeping
from maildropd.store.connection import Database, connect
from maildropd.store.housekeeping import KEY_LIFE, KEYS_FOR_A_STEP, Housekeeping
from maildropd.store.opening import open_database
from maildropd.store.rows import micros, number
from maildropd.store.schema import Schema
from maildropd.store.sqlite import SqliteStore
from maildropd.store.transaction import Transaction
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import settle
from tests.unit.store.stage import Stage, ids, submission

HOUR = timedelta(hours=1)
MICRO = timedelta(microseconds=1)
STEP = store_housekeeping._STEP

# What is asked for each message, or every few seconds, at any depth.
OFTEN = """
SELECT due, queue_id FROM recipient WHERE state = 'ready' AND due <= 1 ORDER BY due
SELECT min(due) FROM recipient WHERE state = 'deferred'
SELECT queue_id FROM recipient WHERE owner IS NOT NULL AND owner <> 'me'
SELECT 1 FROM recipient WHERE state = 'deferred' AND due > 1 ORDER BY due LIMIT 9
SELECT 1 FROM message WHERE queue_id > 'x' ORDER BY queue_id LIMIT 10
DELETE FROM recipient WHERE queue_id = 'x' AND number = 1 AND fence = 2
SELECT 1 FROM submission WHERE key > 'x' ORDER BY key LIMIT 10
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "queue.db"
    database = Database(path, open_database(path, Schema.current())[0])
    yield database
    database.disconnect()


def insert_keys(
    database: Database,
    clock: FakeClock,
    age: timedelta,
    n: int,
    lifetime: timedelta | None = None,
) -> None:
    since = clock.now() - age
    expires = None if lifetime is None else micros(since + lifetime)
    connection = database.connection()
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO submission VALUES (?, 'x', ?, ?)",
        [(f"{age} {lifetime} {k:05}", micros(since), expires) for k in range(n)],
    )
    connection.execute("COMMIT")


def keys(database: Database) -> int:
    query = "SELECT count(*) FROM submission"
    (found,) = database.connection().execute(query).fetchone()
    return int(found)


def step(housekeeping: Housekeeping, database: Database) -> bool:
    connection = database.connection()
    connection.execute("BEGIN")
    more = housekeeping(Transaction(connection))
    connection.execute("COMMIT")
    return more


def test_keys_that_nobody_forgets_go_after_ten_days(
    database: Database, clock: FakeClock
) -> None:
    insert_keys(database, clock, KEY_LIFE + HOUR, 2)
    insert_keys(database, clock, KEY_LIFE - HOUR, 3)

    assert not step(Housekeeping(clock), database)

    assert keys(database) == 3


def test_old_keys_are_looked_for_in_steps_and_in_rounds(
    database: Database, clock: FakeClock
) -> None:
    """However many there are, no step reads them all."""
    insert_keys(database, clock, KEY_LIFE - HOUR, STEP + 1)
    insert_keys(database, clock, KEY_LIFE + HOUR, STEP + 1)
    housekeeping = Housekeeping(clock)

    steps = 1
    while step(housekeeping, database):
        steps += 1
    assert (steps, keys(database)) == (3, STEP + 1)

    clock.forward(HOUR - timedelta(seconds=1))
    assert not step(housekeeping, database)
    assert keys(database) == STEP + 1
    clock.forward(timedelta(seconds=2))
    while step(housekeeping, database):
        pass
    assert keys(database) == 0


def test_keys_with_a_lifetime_go_after_it_and_not_before(
    database: Database, clock: FakeClock
) -> None:
    """Also where it is longer than that of those that nobody forgets."""
    for age in (HOUR - MICRO, HOUR, KEY_LIFE + HOUR):
        insert_keys(database, clock, age, 1, lifetime=HOUR)
    insert_keys(database, clock, KEY_LIFE + HOUR, 1, lifetime=KEY_LIFE + 2 * HOUR)

    assert not step(Housekeeping(clock), database)

    left = {
        key for (key,) in database.connection().execute("SELECT key FROM submission")
    }
    assert left == {
        f"{HOUR - MICRO} {HOUR} 00000",
        f"{KEY_LIFE + HOUR} {KEY_LIFE + 2 * HOUR} 00000",
    }


def test_where_it_is_never_quiet_old_keys_go_as_fast_as_new_ones_come(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Else a host with one mail after the other would keep them all."""
    store = SqliteStore(tmp_path, "me", FakeJournal(), clock, Heartbeats(clock))
    with closing(store):
        store._writer._more_idle_work = False  # and so no quiet moment comes
        stage = Stage(store)
        for n in range(3 * KEYS_FOR_A_STEP):
            stage.submit(submission(key=f"{n:04}", lifetime=HOUR), at=clock.now())
            clock.forward(HOUR / KEYS_FOR_A_STEP)
        settle(store)

        with closing(connect(tmp_path / "queue.db")) as database:
            query = "SELECT count(*) FROM submission"
            (keys,) = database.execute(query).fetchone()
    assert keys <= 2 * KEYS_FOR_A_STEP


def test_a_file_that_was_large_becomes_small_again(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    connection = database.connection()
    connection.execute("INSERT INTO content VALUES (1, zeroblob(20000000))")
    connection.execute("DELETE FROM content")
    housekeeping = Housekeeping(clock)

    steps = 0
    while step(housekeeping, database):
        steps += 1

    assert steps == 2
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (tmp_path / "queue.db").stat().st_size < 10_000_000


@pytest.mark.parametrize("query", OFTEN.strip().splitlines())
def test_no_question_that_is_asked_often_reads_a_whole_table(
    query: str, database: Database
) -> None:
    plan = database.connection().execute(f"EXPLAIN QUERY PLAN {query}").fetchall()

    said = [detail for *_, detail in plan]
    assert all("USING" in line for line in said), said
    assert ("state =" in query) is any("(state=?" in line for line in said), said
    assert not any("TEMP B-TREE" in line for line in said), said


@pytest.mark.parametrize(
    "statement",
    [
        claiming._LEASE,
        leasing._TAKE_OVER,
        leasing._RENEW,
        leasing._DELIVERED,
        leasing._FOUND,
        leasing._RECORD,
        operating._MAKE_DUE,
        operating._FLUSH,
        rows.MESSAGE,
        rows.RECIPIENTS,
    ],
)
def test_what_is_asked_of_one_message_looks_at_no_other(
    statement: str, database: Database
) -> None:
    """SQLite weighs its ways anew with each column that a table gets."""
    values = ["x"] * statement.count("?")
    query = f"EXPLAIN QUERY PLAN {statement}"
    plan = database.connection().execute(query, values).fetchall()

    assert ["PRIMARY KEY (queue_id=?" in detail for *_, detail in plan] == [True]


def test_a_commit_waits_for_the_disk(database: Database) -> None:
    """2 is FULL: in the log's mode, NORMAL would forget commits in a power cut."""
    connection = connect(database.path)

    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_a_closed_store_owes_no_heartbeat(tmp_path: Path, clock: FakeClock) -> None:
    heartbeats = Heartbeats(clock)
    store = SqliteStore(tmp_path / "state", "me", FakeJournal(), clock, heartbeats)
    store.take_over(clock.now()).result(20)
    clock.forward(timedelta(minutes=1))
    assert heartbeats.late() == ("store-writer",)

    store.close()

    assert heartbeats.late() == ()


def test_numbers_keep_the_order_of_ids() -> None:
    """Contents of one time lie together in the file."""
    made = ids()
    numbers = [number(next(made)) for _ in range(1000)]

    assert numbers == sorted(set(numbers))
    assert max(numbers) < 1 << 60
