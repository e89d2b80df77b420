# SPDX-License-Identifier: Apache-2.0
"""The tables of queue.db, their version, and the way from older ones.

A claim moves ``due`` to the end of its lease, so that one range of the index
(state, due) holds what is due and skips what is leased.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maildropd.mail.errors import StoreRefused

APPLICATION_ID = 0x4D61_6944  # "MaiD", in the file's header for file(1)

# Where the queue's time was, in one row, for the next run to go on from.
_CLOCK = """CREATE TABLE clock (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        now INTEGER NOT NULL,
        skew INTEGER NOT NULL,  -- microseconds of the wall clock, ahead of it
        boot TEXT NOT NULL,  -- of the host; empty: unknown
        up INTEGER NOT NULL  -- microseconds since that boot
    ) STRICT"""

# 1 from a start to an orderly end; the log of a run that had none is needed.
_RUN_OF_2 = """CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        open INTEGER NOT NULL
    ) STRICT"""
_RUN = """CREATE TABLE run (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        open INTEGER NOT NULL,
        cursor TEXT NOT NULL DEFAULT ''  -- the last message looked at for its age
    ) STRICT"""

_TABLES = (
    # Times are the queue's: microseconds since 1970, in UTC (host/clock.py).
    """CREATE TABLE message (
        queue_id TEXT PRIMARY KEY,
        reverse_path TEXT,  -- NULL is the null reverse-path, <>
        submitter TEXT NOT NULL,
        uid INTEGER,
        message_id TEXT,
        arrived INTEGER NOT NULL,
        give_up INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        file TEXT,  -- in content/; NULL: the octets are in table content
        unit TEXT,  -- of the submitter
        rules TEXT NOT NULL DEFAULT '',  -- the section that applied to it
        ret TEXT NOT NULL DEFAULT '',
        envid TEXT NOT NULL DEFAULT '',
        verp TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID, STRICT""",
    """CREATE TABLE content (
        number INTEGER PRIMARY KEY,  -- the queue id, read as a number
        octets BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE recipient (
        queue_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        forward_path TEXT NOT NULL,
        state TEXT NOT NULL,
        due INTEGER,  -- of ready and deferred; the end of the lease if leased
        attempts INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0,
        owner TEXT,  -- of the lease; NULL: not leased
        hold INTEGER NOT NULL DEFAULT 0,  -- hold it when its lease is settled
        code INTEGER, status TEXT, text TEXT,  -- the last reply
        relay TEXT NOT NULL DEFAULT '',
        notify TEXT NOT NULL DEFAULT '',
        orcpt TEXT NOT NULL DEFAULT '',
        run TEXT NOT NULL DEFAULT '',  -- what to run for it, in place of a relay
        doubt INTEGER NOT NULL DEFAULT 0,  -- 1: it may have been delivered
        PRIMARY KEY (queue_id, number),
        CHECK ((state IN ('ready', 'deferred')) = (due IS NOT NULL))
    ) WITHOUT ROWID, STRICT""",
    "CREATE INDEX recipient_due ON recipient (state, due)",
    "CREATE INDEX recipient_leased ON recipient (owner) WHERE owner IS NOT NULL",
    # Counting a million rows at a cold start takes seconds, or on a slow disk
    # minutes; so each transaction that moves recipients counts along.
    """CREATE TABLE tally (
        state TEXT PRIMARY KEY,
        recipients INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT""",
    """CREATE TABLE submission (
        key TEXT PRIMARY KEY,
        queue_id TEXT NOT NULL,
        since INTEGER NOT NULL,
        expires INTEGER  -- NULL: when it is forgotten by name
    ) WITHOUT ROWID, STRICT""",
    _CLOCK,
    _RUN,
)

# What an envelope says beyond its addresses, and keys that grow too old.  SQLite
# does this without touching a row; a new store has its columns in this order.
_TERMS = (
    "ALTER TABLE message ADD COLUMN unit TEXT",
    "ALTER TABLE message ADD COLUMN rules TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE message ADD COLUMN ret TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE message ADD COLUMN envid TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recipient ADD COLUMN notify TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recipient ADD COLUMN orcpt TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recipient ADD COLUMN run TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE submission ADD COLUMN expires INTEGER",
)


_TELLING = (
    "ALTER TABLE run ADD COLUMN cursor TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE message ADD COLUMN verp TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE recipient ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One version of the tables: how to make them, how to get there."""

    version: int = 4
    tables: Sequence[str] = _TABLES
    # From each older version, the statements that lead to the next one.
    steps: Mapping[int, Sequence[str]]

    @classmethod
    def current(cls) -> "Schema":
        """Return what this version of maildropd works with."""
        return cls(steps={1: [_CLOCK, _RUN_OF_2], 2: _TERMS, 3: _TELLING})


def prepare(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """Bring the tables to this schema; return the version they had before.

    Each step is a transaction, so that a cut leaves a version that is known.
    Raise ``StoreRefused``, and touch nothing, if the file is not ours.
    """
    found = known_version(connection, path, schema)
    if found == 0:
        # It must be said before the first table is made.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        _step(connection, schema.tables, schema.version)
        return schema.version
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    for version in range(found, schema.version):
        _step(connection, schema.steps[version], version + 1)
    return found


def known_version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """Return the version of the tables; raise ``StoreRefused`` if it is not known."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == version == tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreRefused(
            f"{path} is a database of some other program; move it away, or set"
            " state_directory to a directory of our own"
        )
    if version > schema.version:
        raise StoreRefused(
            f"{path} was written by a newer maildropd (schema {version}, this one"
            f" knows {schema.version}); install that version again, it is untouched"
        )
    oldest = min([schema.version, *schema.steps])
    if version < oldest:
        raise StoreRefused(
            f"{path} has schema {version}, older than any this version can read"
            f" ({oldest}); let a version between empty the queue first"
        )
    return int(version)


def _step(connection: sqlite3.Connection, statements: Sequence[str], to: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {to}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
