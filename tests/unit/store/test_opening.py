# SPDX-License-Identifier: Apache-2.0
"""Whose directory is it, whose file, and how old: asked before anything is used."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.host import durable
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import StoreUnusable
from maildropd.store.opening import open_database
from maildropd.store.schema import APPLICATION_ID, Schema
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import Stage

Opener = Callable[[], SqliteStore]

OLD = Schema(version=1, tables=["CREATE TABLE mail (name TEXT)"], steps={})
NEW = Schema(
    version=3,
    tables=["CREATE TABLE mail (name TEXT, size INTEGER, age INTEGER)"],
    steps={
        1: ["ALTER TABLE mail ADD COLUMN size INTEGER", "UPDATE mail SET size = 7"],
        2: ["ALTER TABLE mail ADD COLUMN age INTEGER"],
    },
)


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    opened: list[SqliteStore] = []
    clock = FakeClock()

    def open_it() -> SqliteStore:
        store = SqliteStore(tmp_path, "me", FakeJournal(), clock, Heartbeats(clock))
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


def everything(directory: Path) -> dict[str, bytes]:
    """Return what is there, but for copies of damage."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    mine = [path for path in files if "damaged-" not in str(path)]
    return {str(path): path.read_bytes() for path in mine}


def refused(opener: Opener, path: Path, why: str) -> None:
    """Check that opening says why, where, and leaves everything as it is."""
    before = everything(path.parent)

    with pytest.raises(StoreUnusable, match=why) as caught:
        opener()

    assert str(path) in str(caught.value)
    assert everything(path.parent) == before


def test_one_at_a_time(opener: Opener) -> None:
    opener()

    with pytest.raises(StoreUnusable, match="another maildropd uses /"):
        opener()


def test_a_closed_store_can_be_opened_again(opener: Opener) -> None:
    opener().close()
    opener()


def test_a_store_that_was_refused_leaves_no_lock(
    opener: Opener, tmp_path: Path
) -> None:
    (tmp_path / "queue.db").write_bytes(b"x" * 100)
    with pytest.raises(StoreUnusable):
        opener()

    (tmp_path / "queue.db").unlink()
    opener()


def test_a_file_that_is_no_database_is_left_alone(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"Dear diary, " * 1000)

    refused(opener, path, r"is not a database.*copy is kept.*maildropd\(8\)")


def test_a_database_of_another_program_is_left_alone(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (name)")

    refused(opener, path, "some other program")


def test_a_store_of_a_newer_version_is_left_alone(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    opener().close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")

    refused(opener, path, "newer maildropd .schema 99")


def test_a_damaged_database_is_not_taken_for_an_empty_one(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    opener().close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)

    with pytest.raises(StoreUnusable, match=str(path)):
        opener()


def test_a_crash_while_a_store_is_made_leaves_none(
    opener: Opener, tmp_path: Path
) -> None:
    (tmp_path / ".queue.db.new").write_bytes(b"SQLite form")

    assert Stage(opener()).counts() == {}
    assert not (tmp_path / ".queue.db.new").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    clock = FakeClock()

    with pytest.raises(StoreUnusable, match="file/state: Not a directory"):
        SqliteStore(
            tmp_path / "file" / "state", "me", FakeJournal(), clock, Heartbeats(clock)
        )


def test_a_store_says_what_it_is_in_its_header(opener: Opener, tmp_path: Path) -> None:
    opener().close()

    with closing(sqlite3.connect(tmp_path / "queue.db")) as store:
        assert store.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert store.execute("PRAGMA user_version").fetchone() == (
            Schema.current().version,
        )
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_an_old_store_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    connection, version = open_database(path, OLD)
    assert version == 1
    connection.execute("INSERT INTO mail VALUES ('kept')")
    connection.close()

    connection, version = open_database(path, NEW)

    assert version == 1
    assert connection.execute("SELECT * FROM mail").fetchall() == [("kept", 7, None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()
    connection, version = open_database(path, NEW)
    assert version == 3
    connection.close()


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    open_database(path, OLD)[0].close()
    broken = Schema(
        version=3, steps={1: NEW.steps[1], 2: ["DROP TABLE mail", "no sql at all"]}
    )

    with pytest.raises(StoreUnusable, match="syntax error"):
        open_database(path, broken)

    connection, version = open_database(path, NEW)
    assert version == 2
    assert connection.execute("SELECT size FROM mail").fetchall() == []
    connection.close()


def test_a_version_too_old_to_read_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    open_database(path, OLD)[0].close()
    later = Schema(version=3, steps={2: []})

    with pytest.raises(StoreUnusable, match=r"schema 1, older than any .* \(2\)"):
        open_database(path, later)


def test_every_version_has_a_way_to_the_current_one() -> None:
    schema = Schema.current()

    assert sorted(schema.steps) == list(range(1, schema.version))


def test_the_directory_is_closed_to_others(tmp_path: Path) -> None:
    durable.make_directory(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_reserve_that_cannot_be_lent_is_said_and_no_bug(
    opener: Opener, tmp_path: Path
) -> None:
    """The disk may refuse any call of a start; a traceback helps nobody."""
    (tmp_path / "reserve").mkdir()  # in the place of a file that is removed

    with pytest.raises(StoreUnusable, match="reserve: Is a directory"):
        opener()
