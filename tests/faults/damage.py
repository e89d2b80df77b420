# SPDX-License-Identifier: Apache-2.0
"""Ways to spoil a store that is at rest or at work, and a look at what is left."""

import sqlite3
from contextlib import closing
from pathlib import Path

PAGE = 4096
NOISE = b"\xa5\x5a\xff\x00" * 1024


def cut(path: Path, size: int) -> None:
    """Cut a file, to so many octets."""
    with path.open("r+b") as file:
        file.truncate(size)


def scribble(path: Path, at: int, size: int = 512) -> None:
    """Write noise into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write((NOISE * (size // len(NOISE) + 1))[:size])


def leaves(path: Path, table: str) -> list[int]:
    """Return where the leaf pages of a table or index are, as offsets."""
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [
            (page - 1) * PAGE
            for (page,) in database.execute(query + " ORDER BY 1", (table,))
        ]


def spoil(path: Path, table: str) -> None:
    """Write noise over a leaf of a table or index, one in the middle."""
    places = leaves(path, table)
    scribble(path, places[len(places) // 2], PAGE)


def files(state: Path) -> dict[str, bytes]:
    """Return what a state directory holds, but for copies of damage."""
    found = {
        str(path.relative_to(state)): path.read_bytes()
        for path in sorted(state.rglob("*"))
        if path.is_file()
    }
    return {
        name: content
        for name, content in found.items()
        # The index of the log is made anew by whoever reads it first.
        if not name.startswith("damaged-") and name != "queue.db-shm"
    }


def copies(state: Path) -> list[dict[str, bytes]]:
    """Return what each copy of damage holds."""
    return [files(folder) for folder in sorted(state.glob("damaged-*"))]
