# SPDX-License-Identifier: Apache-2.0
"""The files of a store: as a killed daemon leaves them, and whether they agree."""

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

_WRONG = {
    "rows and tally differ": """
        SELECT state FROM tally LEFT JOIN (
            SELECT state, count(*) AS n FROM recipient GROUP BY state
        ) USING (state) WHERE recipients <> coalesce(n, 0)
        UNION SELECT state FROM recipient
        WHERE state NOT IN (SELECT state FROM tally)""",
    "a recipient without its message": """
        SELECT queue_id FROM recipient WHERE queue_id NOT IN
        (SELECT queue_id FROM message)""",
    "a message without recipients": """
        SELECT queue_id FROM message WHERE queue_id NOT IN
        (SELECT queue_id FROM recipient)""",
    "as many contents as small messages": """
        SELECT 1 WHERE (SELECT count(*) FROM content) <>
        (SELECT count(*) FROM message WHERE file IS NULL)""",
}


def copy_of_the_dead(state: Path, to: Path) -> None:
    """Copy what ``kill -9`` would leave now: all but what the living share."""
    with closing(sqlite3.connect(state / "queue.db")) as reader:
        # While somebody reads, the log is not begun anew between two copies.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tally").fetchall()
        shutil.copytree(state, to, ignore=shutil.ignore_patterns("*-shm"))


def faults(state: Path, keys: Collection[str]) -> list[str]:
    """Return what does not agree in a store that nobody has open."""
    with closing(sqlite3.connect(state / "queue.db")) as database:
        return list(_faults(database, keys))


def _faults(database: sqlite3.Connection, keys: Collection[str]) -> Iterator[str]:
    for (said,) in database.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield str(said)
    for fault, query in _WRONG.items():
        yield from (f"{fault}: {row}" for row in database.execute(query))
    known = {key for (key,) in database.execute("SELECT key FROM submission")}
    if known != set(keys):
        yield f"keys {sorted(known)} instead of {sorted(keys)}"
