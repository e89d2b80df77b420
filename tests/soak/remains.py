# SPDX-License-Identifier: Apache-2.0
"""What lies on the disk when the daemon has stopped."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.plan import SPOOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A recipient that is still in the store."""

    key: str
    recipient: str
    state: str
    leased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """All that is left."""

    queued: tuple[Queued, ...] = ()
    integrity: str = "ok"
    tally_off: str = ""  # where the tally differs from the rows
    state: frozenset[str] = frozenset()  # names in the state directory
    contents: frozenset[str] = frozenset()
    named_contents: frozenset[str] = frozenset()  # by rows of messages
    drops: frozenset[str] = frozenset()
    quarantine: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()  # directories somebody still holds


def read(root: Path) -> Remains:
    """Look at everything below the mount point of the soak's disk."""
    state = root / "state"
    names = frozenset(os.listdir(state))
    contents = frozenset(os.listdir(state / "content"))
    drops = [root / spool for spool in SPOOLS]
    quarantines = [root / f"{spool}-quarantine" for spool in SPOOLS]
    with closing(sqlite3.connect(f"file:{state}/queue.db?mode=ro", uri=True)) as base:
        return Remains(
            queued=tuple(_queued(base)),
            integrity="; ".join(str(row[0]) for row in _all(base, _INTEGRITY)),
            tally_off=_tally_off(base),
            state=names,
            contents=contents,
            named_contents=frozenset(str(row[0]) for row in _all(base, _FILES)),
            drops=frozenset(name for drop in drops for name in _names(drop)),
            quarantine=tuple(name for each in quarantines for name in _names(each)),
            locked=tuple(str(each) for each in (state, *drops) if _is_locked(each)),
        )


_INTEGRITY = "PRAGMA integrity_check"
_FILES = "SELECT file FROM message WHERE file IS NOT NULL"
_ROWS = (
    "SELECT coalesce(message_id, ''), forward_path, state, owner FROM recipient"
    " LEFT JOIN message USING (queue_id)"
)
_TALLY = "SELECT state, recipients FROM tally WHERE recipients != 0"
_COUNTS = "SELECT state, count(*) FROM recipient GROUP BY state"


def _all(base: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    return base.execute(query).fetchall()


def _queued(base: sqlite3.Connection) -> list[Queued]:
    return [
        Queued(
            key=str(message_id).strip("<>").partition("@")[0],
            recipient=str(path),
            state=str(state),
            leased=owner is not None,
        )
        for message_id, path, state, owner in _all(base, _ROWS)
    ]


def _tally_off(base: sqlite3.Connection) -> str:
    tally, counts = sorted(_all(base, _TALLY)), sorted(_all(base, _COUNTS))
    return "" if tally == counts else f"{tally}, and there are {counts}"


def _names(folder: Path) -> Sequence[str]:
    if not folder.is_dir():
        return ()
    return [os.fsdecode(name) for name in os.listdir(os.fsencode(folder))]


def _is_locked(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
