# SPDX-License-Identifier: Apache-2.0
"""The record on disk: a file for each unit, under one lock.

A thousand units may fail at once, each with a process of its own here.  What
is written is not synced: a power cut may cost a count, and the journal has
it.  A page that cannot be read is a page that is not there.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from maildropd.notice.failure import Failure
from maildropd.notice.tally import Ledger, Tally

# Hidden names do not count for ConditionDirectoryNotEmpty=.
_LOCK = ".lock"
_LEDGER = ".ledger"
_NEW = ".new"


class Pages:
    """The record, as long as its lock is held."""

    def __init__(self, folder: Path) -> None:
        """Read and write in this directory."""
        self._folder = folder

    def tally(self, unit: str) -> Tally | None:
        """Return what is on record for a unit."""
        return _read_tally(self._folder / _page(unit))

    def tallies(self) -> Iterator[Tally]:
        """Yield what is on record for each unit; forget what cannot be read."""
        for name in self._names():
            tally = _read_tally(self._folder / name)
            if tally is not None:
                yield tally
            else:
                os.unlink(self._folder / name)

    def known(self) -> int:
        """Return how many units are on record."""
        return len(self._names())

    def ledger(self) -> Ledger:
        """Return what is on record for all units together."""
        said = _read(self._folder / _LEDGER)
        with suppress(KeyError, TypeError, ValueError):
            mailed = tuple(map(datetime.fromisoformat, said["mailed"]))
            return Ledger(mailed=mailed, unrecorded=int(said["unrecorded"]))
        return Ledger()

    def write(self, tally: Tally) -> None:
        """Put a unit on record."""
        self._write(_page(tally.unit), asdict(tally))

    def write_ledger(self, ledger: Ledger) -> None:
        """Put on record what is about all units together."""
        self._write(_LEDGER, asdict(ledger))

    def forget(self, unit: str) -> None:
        """Take a unit off the record."""
        with suppress(FileNotFoundError):
            os.unlink(self._folder / _page(unit))

    def _names(self) -> list[str]:
        return [name for name in os.listdir(self._folder) if name[0] != "."]

    def _write(self, name: str, said: object) -> None:
        new = self._folder / _NEW
        new.write_text(json.dumps(said, default=_plain), encoding="ascii")
        os.replace(new, self._folder / name)


class Book:
    """The record between uses."""

    def __init__(self, folder: Path) -> None:
        """Keep it in this directory, which must be there."""
        self._folder = folder

    @contextmanager
    def open(self) -> Iterator[Pages]:
        """Hold the lock; nothing that takes long may happen meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(self._folder / _LOCK, flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Pages(self._folder)
        finally:
            os.close(lock)


def _page(unit: str) -> str:
    """Return a file name; that of a unit would be too long with a suffix."""
    return hashlib.sha256(unit.encode()).hexdigest()[:32]


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    assert isinstance(value, datetime)
    return value.isoformat()


def _read(path: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return {}


def _read_tally(path: Path) -> Tally | None:
    said = _read(path)
    with suppress(AttributeError, KeyError, TypeError, ValueError, OverflowError):
        latest = said["latest"]
        at = datetime.fromisoformat(latest.pop("at"))
        return Tally(
            opened=datetime.fromisoformat(said["opened"]),
            closes=datetime.fromisoformat(said["closes"]),
            window=timedelta(seconds=said["window"]),
            latest=Failure(at=at, **latest),
            first=datetime.fromisoformat(said["first"]),
            count=int(said["count"]),
            results={str(what): int(n) for what, n in said["results"].items()},
        )
    return None
