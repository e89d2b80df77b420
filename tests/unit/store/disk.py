# SPDX-License-Identifier: Apache-2.0
"""A disk of a chosen size under a store, and ways to spoil what is on it."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from maildropd.store.sqlite import SqliteStore
from tests.unit.store.stage import WAIT

PAGE = 4096
BLOCK = 4096
NOISE = b"\xa5\x5a\xff\x00" * 1024
GIB = 1 << 30
_LEAF = 10  # of a table without rowid


class DiskOs:
    """The real ``os``, but for how much room there is."""

    def __init__(self) -> None:
        self.whole = 100 * GIB
        self.free = 50 * GIB
        self.inodes = 1000
        self.free_inodes = 500
        self.unknown: OSError | None = None
        self.refuses: OSError | None = None
        self.asked: list[int] = []  # how far blocks were to be held

    def statvfs(self, _: Path) -> SimpleNamespace:
        if self.unknown:
            raise self.unknown
        return SimpleNamespace(
            f_frsize=BLOCK,
            f_blocks=self.whole // BLOCK,
            f_bavail=self.free // BLOCK,
            f_files=self.inodes,
            f_favail=self.free_inodes,
        )

    def posix_fallocate(self, descriptor: int, at: int, size: int) -> None:
        self.asked.append(at + size)
        if self.refuses:
            raise self.refuses
        os.posix_fallocate(descriptor, at, size)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def settle(store: SqliteStore) -> None:
    """Wait until all that was handed over is done."""
    store.forget_keys(["-"]).result(WAIT)


def changed(path: Path, change: Callable[[bytearray], None]) -> None:
    """Change the octets of a file in place."""
    octets = bytearray(path.read_bytes())
    change(octets)
    path.write_bytes(octets)


def scribble(path: Path, at: int, size: int = PAGE) -> None:
    """Write noise into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(NOISE[:size])


def leaf_with(path: Path, name: str, address: str) -> tuple[int, list[bytes]]:
    """Return where the leaf is that has a row of both; and how its rows begin."""
    octets = path.read_bytes()
    for at in range(0, len(octets), PAGE):
        page = octets[at : at + PAGE]
        rows = _rows(page) if page[0] == _LEAF else []
        if any(name.encode() in row and address.encode() in row for row in rows):
            return at, rows
    raise AssertionError(f"no leaf has a row of {name} and {address}")


def _rows(page: bytes) -> list[bytes]:
    count = int.from_bytes(page[3:5], "big")
    places = struct.unpack_from(f">{count}H", page, 8)
    return [page[place : place + 64] for place in places]
