# SPDX-License-Identifier: Apache-2.0
"""A look at a store before it is opened: is it whole?

A store that was cut, or has lost a part, must not be taken for an empty one:
nobody would miss its mail.  Nothing is changed here, the log least of all.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from maildropd.mail.errors import StoreRefused
from maildropd.store.connection import translated
from maildropd.store.reserve import log_of
from maildropd.store.schema import Schema, known_version
from maildropd.store.trouble import is_damage

_MAGIC = b"SQLite format 3\0"
_LOG_MAGIC = 0x377F0682  # the last bit: in which order its checksums count
_LOG_HEADER = 32
_FRAME_HEADER = 24


class Damaged(StoreRefused):
    """It is not what was written; worth a copy before anybody tries to mend it."""


def inspect(path: Path, schema: Schema) -> None:
    """Raise ``StoreRefused`` if it is not ours, or a part is damaged or gone."""
    if not path.exists():
        _refuse_lost(path)
        return
    log = log_of(path)
    alone = not _has_frames(log)
    _look_at_file(path, alone=alone)
    if not alone:
        _look_at_header(log)
    _ask(path, schema, alone=alone)


def _refuse_lost(path: Path) -> None:
    """A store that never was has no mail in it either."""
    content = path.with_name("content")
    left = [log_of(path), *(content.iterdir() if content.is_dir() else ())]
    if any(file.exists() and file.stat().st_size for file in left):
        raise StoreRefused(
            f"{path} is gone, and there is mail that belongs to it; put it back, or"
            f" move {path.parent} away to begin with an empty queue"
        )


def _has_frames(log: Path) -> bool:
    """Nothing was ever committed to a log that is shorter than its header."""
    head = _start(log, _LOG_HEADER) if log.exists() else b""
    return len(head) == _LOG_HEADER and any(head)


def _look_at_file(path: Path, *, alone: bool) -> None:
    head, size = _start(path, 100), path.stat().st_size
    if not head:
        raise Damaged(f"{path} is empty, and never was when it was whole")
    if not head.startswith(_MAGIC[: len(head)]) or size < len(_MAGIC):
        raise Damaged(f"{path} is not a database, or it is damaged")
    if not alone or len(head) < 100:
        return  # the log may have what is missing; else SQLite will say so
    page_size, counter, pages, valid = struct.unpack(">16xH6xII60xI4x", head)
    if counter == valid and pages * page_size > size:
        raise Damaged(f"{path} was cut, from {pages * page_size} octets to {size}")


def _look_at_header(log: Path) -> None:
    """Where the log's header is wrong, SQLite takes the log for empty."""
    head = _start(log, _LOG_HEADER)
    magic, *words = struct.unpack(">8I", head)
    if magic & ~1 != _LOG_MAGIC or _sum(magic, (0, 0), head[:24]) != (*words[-2:],):
        raise Damaged(f"{log} is damaged at its beginning")


def _ask(path: Path, schema: Schema, *, alone: bool) -> None:
    """Let SQLite read it, by a connection that can change neither file nor log."""
    index = path.with_name(path.name + "-shm")
    had_index = index.exists()
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    uri = f"{path.absolute().as_uri()}?{mode}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
            known_version(connection, path, schema)
            if not alone:
                _look_at_frames(log_of(path), _start(index, 20))
    except sqlite3.Error as error:
        kind = Damaged if is_damage(error) else None
        failure = translated(error, path)
        raise (kind(str(failure)) if kind else failure) from error
    finally:
        if not had_index:
            index.unlink(missing_ok=True)


def _look_at_frames(log: Path, index: bytes) -> None:
    """A log ends at its first wrong frame; see whether it should have.

    After a power cut one commit at most can be there that was not synced.
    """
    (good,) = struct.unpack("=16xI", index)
    later = max(_commits_in_a_row(log, good), default=0)
    if later > 1:
        raise Damaged(
            f"{log} is damaged after its frame {good}, {later} commits follow"
        )


def _commits_in_a_row(log: Path, good: int) -> Iterator[int]:
    """Count the commits that follow, as far as one was written after the other.

    Those whose sync failed all began at the same frame: of a long one the end
    lies behind a short one, but its checksums do not go on from there.
    """
    with log.open("rb") as file:
        magic, page_size, salts = struct.unpack(">I4xI4x8s8x", file.read(_LOG_HEADER))
        frame = _FRAME_HEADER + page_size
        before: tuple[int, int] | None = None
        count = 0
        for at in range(_LOG_HEADER + good * frame, log.stat().st_size, frame):
            found = os.pread(file.fileno(), frame, at)
            if len(found) < frame or found[8:16] != salts:
                before = None
                continue
            first, second = struct.unpack(">16xII", found[:_FRAME_HEADER])
            octets = found[:8] + found[_FRAME_HEADER:]
            if before is None or _sum(magic, before, octets) != (first, second):
                count = 0
            before, count = (first, second), count + any(found[4:8])
            yield count


def _sum(magic: int, begin: tuple[int, int], octets: bytes) -> tuple[int, int]:
    """Go on with SQLite's checksum of a log."""
    first, second = begin
    for one, other in struct.iter_unpack(">II" if magic & 1 else "<II", octets):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def _start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
