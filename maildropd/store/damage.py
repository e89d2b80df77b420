# SPDX-License-Identifier: Apache-2.0
"""A copy of a damaged store, kept before anything changes what was found.

One for each damage, three at most, and none that would fill the disk.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from maildropd.host import durable
from maildropd.host.clock import Clock
from maildropd.mail.event import Journal
from maildropd.mail.store_events import StoreDamaged
from maildropd.store.reserve import log_of

_MOST = 3
_PIECE = 1024 * 1024
_TEXT = """\
A copy of a damaged queue, made by maildropd at {at}, because
    {reason}

docs/QUEUE.md says how to get back what can be read ("A damaged store").
Remove this directory when it is of no use any more.
"""


class Damage:
    """Sees to the damage of a store that is open: once, until the next start."""

    def __init__(
        self, path: Path, descriptor: int, journal: Journal, clock: Clock
    ) -> None:
        """``descriptor`` is of the database; a new one could not be closed."""
        self._path = path
        self._descriptor = descriptor
        self._journal = journal
        self._clock = clock
        self.seen = False
        self.alive: Callable[[], None] = _nobody

    def found(self, reason: str) -> None:
        """Keep a copy and say so; by the thread that writes, or before it does."""
        if self.seen:
            return
        self.seen = True
        copy = keep_copy(self._path, self._descriptor, reason, self._now(), self.alive)
        self._journal.emit(StoreDamaged(path=str(self._path), reason=reason, copy=copy))

    def _now(self) -> datetime:
        return self._clock.now()


def keep_copy(
    path: Path, database: int, reason: str, at: datetime, alive: Callable[[], None]
) -> str:
    """Copy database and log, unless there is a copy; return words that tell."""
    earlier = sorted(path.parent.glob("damaged-*"))
    with ExitStack() as opened:
        files = {path.name: database}
        log = log_of(path)
        try:
            if log.exists():
                files[log.name] = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, files[log.name])
        except OSError as error:  # no descriptor is left, or the disk fails
            return f"no copy could be made of {log} ({error.strerror})"
        for folder in earlier:
            if all(_is_same(folder / name, file) for name, file in files.items()):
                return f"the copy in {folder} is of the same"
        if len(earlier) >= _MOST:
            return f"no copy is kept, there are {len(earlier)} already"
        text = _TEXT.format(at=at.isoformat(timespec="seconds"), reason=reason)
        stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        folder = path.with_name(f"damaged-{stamp}")
        try:
            return _copy(files, folder, text, alive)
        except OSError as error:
            return f"no copy could be made in {folder} ({error.strerror})"


def _copy(
    files: dict[str, int], folder: Path, text: str, alive: Callable[[], None]
) -> str:
    size = sum(os.fstat(file).st_size for file in files.values())
    found = os.statvfs(folder.parent)
    if found.f_bavail * found.f_frsize < 2 * size:
        return f"there is no room for a copy ({size >> 10} KiB)"
    durable.make_directory(folder)
    durable.create(folder / "README", [text.encode()])
    for name, file in files.items():
        durable.create(folder / name, _pieces(file, alive))
    return f"a copy is kept in {folder}"


def _pieces(file: int, alive: Callable[[], None]) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(file, _PIECE, at):
        alive()
        yield piece
        at += len(piece)


def _is_same(path: Path, file: int) -> bool:
    try:
        if path.stat().st_size != os.fstat(file).st_size:
            return False
        with path.open("rb") as copy:
            return all(copy.read(len(each)) == each for each in _pieces(file, _nobody))
    except OSError:
        return False


def _nobody() -> None:
    """Nobody waits for a sign of life."""
