# SPDX-License-Identifier: Apache-2.0
"""A commit whose sync failed leaves its frames in the log; they must stay dead.

No sync can be made to fail from inside a process, so the state it leaves is
made by hand: the frames are in the log, and the index of the log, which lives
as long as any connection, does not know them.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.store.connection import Database, connect
from maildropd.store.inspection import Damaged, inspect
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema

INSERT = "INSERT INTO submission VALUES (?, 'x', 0, NULL)"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Make a store that holds "kept", and in the log a dead "refused"."""
    path = tmp_path / "queue.db"
    writing, _ = open_database(path, Schema.current())
    writing.execute(INSERT, ("kept",))
    with closing(connect(path)) as reading:
        index = tmp_path / "queue.db-shm"
        before = index.read_bytes()
        writing.execute(INSERT, ("refused",))
        writing.close()
        index.write_bytes(before)
        assert keys(reading.execute("SELECT key FROM submission")) == ["kept"]
        yield path


def keys(rows: Iterator[tuple[str]]) -> list[str]:
    return [key for (key,) in rows]


def after_a_power_cut(path: Path) -> list[str]:
    """Return the keys that a recovery finds: the index of the log is gone."""
    cut = path.parent / "cut"
    cut.mkdir()
    for name in ("queue.db", "queue.db-wal"):
        shutil.copy(path.with_name(name), cut / name)
    with closing(connect(cut / "queue.db")) as connection:
        return keys(connection.execute("SELECT key FROM submission ORDER BY key"))


def test_dead_frames_would_come_back(path: Path) -> None:
    """Without this the test below could not fail."""
    assert after_a_power_cut(path) == ["kept", "refused"]


def test_a_new_connection_covers_dead_frames(path: Path) -> None:
    """Who was told that the change failed must not find it made."""
    database = Database(path, connect(path))
    database.disconnect()

    database.connection()

    assert after_a_power_cut(path) == ["kept"]
    database.disconnect()


def test_commits_that_failed_do_not_keep_the_next_start_from_its_mail(
    tmp_path: Path,
) -> None:
    """Of each longer one the end is still there: that is no damage."""
    path, cut = tmp_path / "queue.db", tmp_path / "cut"
    index = path.with_name("queue.db-shm")
    writing, _ = open_database(path, Schema.current())
    writing.execute(INSERT, ("kept",))  # an empty log would get a new header each time
    with closing(connect(path)) as reading:
        keys(reading.execute("SELECT key FROM submission"))
        before = index.read_bytes()
        for many in (200, 50, 10):
            writing.execute("BEGIN")
            for number in range(many):
                writing.execute(INSERT, (f"{many}-{number}" * 50,))
            writing.execute("COMMIT")
            writing.close()
            index.write_bytes(before)
            writing = connect(path)
        database = Database(path, writing)
        database.disconnect()
        database.connection()
        cut.mkdir()
        for name in ("queue.db", "queue.db-wal"):
            shutil.copy(path.with_name(name), cut / name)

        inspect(cut / "queue.db", Schema.current())
        database.disconnect()


def test_a_frame_that_is_spoiled_among_commits_is_noticed(tmp_path: Path) -> None:
    """Without this the test above could not fail by seeing nothing at all."""
    path, cut = tmp_path / "queue.db", tmp_path / "cut"
    cut.mkdir()
    writing, _ = open_database(path, Schema.current())
    with closing(writing):
        for number in range(5):
            writing.execute(INSERT, (str(number),))
        for name in ("queue.db", "queue.db-wal"):
            shutil.copy(path.with_name(name), cut / name)
    with (cut / "queue.db-wal").open("r+b") as log:
        log.seek(-2 * 4120 - 1000, 2)
        log.write(b"spoiled")

    with pytest.raises(Damaged, match="3 commits follow"):
        inspect(cut / "queue.db", Schema.current())
