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
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema

INSERT = "INSERT INTO submission VALUES (?, 'x', 0)"


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
