# SPDX-License-Identifier: Apache-2.0
"""The octets of messages: small ones go into a row, large ones into a file.

A file is synced with its name before the row that names it commits, and
removed after that row is gone.  So a crash leaves a file too many, which the
next start sweeps, and never a row without its file.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import ContentGone, MailError, StoreFull, StoreUnusable

ROW_LIMIT = 256 * 1024
_SLICE = 2047
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Content on its way into the store."""

    size: int
    sha256: bytes
    octets: bytes | None  # None: they are in a file named like the message


class ContentFolder:
    """The large contents, a file each."""

    def __init__(self, path: Path) -> None:
        """Use a directory that is there."""
        self.path = path

    def keep(self, queue_id: QueueId, pieces: Iterable[bytes]) -> Kept:
        """Take content over: into memory, or safely into a file if it is large.

        What ``pieces`` raises passes through, and nothing is left behind.
        """
        rest = iter(pieces)
        head: list[bytes] = []
        size = 0
        for piece in rest:
            head.append(piece)
            size += len(piece)
            if size > ROW_LIMIT:
                return self._into_file(queue_id, chain(head, rest))
        octets = b"".join(head)
        return Kept(size=size, sha256=_digest(octets), octets=octets)

    def _into_file(self, queue_id: QueueId, pieces: Iterable[bytes]) -> Kept:
        meter = _Meter(pieces)
        path = self.path / queue_id
        try:
            durable.create(path, meter)
        except OSError as error:
            raise _translated(error, path) from error
        return Kept(size=meter.size, sha256=meter.hash.digest(), octets=None)

    def pieces(self, queue_id: QueueId, size: int, sha256: bytes) -> Iterator[bytes]:
        """Yield a file's octets; raise ``ContentGone`` if they are not those."""
        path = self.path / queue_id
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    raise ContentGone(f"{path} does not have its {size} octets")
                meter = _Meter(iter(lambda: file.read(_PIECE), b""))
                yield from meter
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EIO):
                raise ContentGone(f"{path}: {error.strerror}") from error
            raise _translated(error, path) from error
        check(path, meter.hash.digest(), sha256)

    def remove(self, queue_id: str) -> None:
        """Take a file away, if it is there and can be."""
        # It is in no row any more; at worst the next start sweeps it.
        with suppress(OSError):
            durable.remove(self.path / queue_id)

    def sweep(self, is_named: Callable[[str], bool]) -> int:
        """Remove the files that no message names; return how many there were."""
        swept = 0
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not is_named(entry.name):
                    self.remove(entry.name)
                    swept += 1
        return swept

    def set_aside(self, is_named: Callable[[str], bool], folder: Path) -> int:
        """Move the files that no message names elsewhere; return their number."""
        moved = 0
        for path in list(self.path.iterdir()):
            if not is_named(path.name):
                durable.make_directory(folder)
                os.rename(path, folder / path.name)
                moved += 1
        return moved


def _digest(octets: bytes) -> bytes:
    """Hash a small content in a row, and let no other thread come between.

    Beyond 2047 octets Python lets others run meanwhile, for milliseconds: the
    hash takes a few thousandths of that.
    """
    found = hashlib.sha256()
    for at in range(0, len(octets), _SLICE):
        found.update(octets[at : at + _SLICE])
    return found.digest()


def check(place: object, found: bytes, sha256: bytes) -> None:
    """Raise ``ContentGone`` unless the content is what was handed over."""
    if found != sha256:
        raise ContentGone(f"{place} has changed since it was stored")


class _Meter:
    """Count and digest what passes through."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size = 0
        self.hash = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            self.hash.update(piece)
            yield piece


def _translated(error: OSError, path: Path) -> MailError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no room for {path}")
    return StoreUnusable(f"{path}: {error.strerror or error}")
