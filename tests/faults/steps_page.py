# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/QUEUE.md, as tests read them."""

from collections.abc import Iterator
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "QUEUE.md"

Row = tuple[str, ...]


def rows(heading: str, first: str = "") -> list[Row]:
    """Return a table below a heading: the one whose first column has this title."""
    for titles, body in _tables(_section(heading)):
        if not first or titles[0] == first:
            return body
    raise AssertionError(f"docs/QUEUE.md has no such table under {heading!r}")


def keys(heading: str, first: str = "") -> list[str]:
    """Return the first cells of a table."""
    return [row[0] for row in rows(heading, first)]


def _section(heading: str) -> list[str]:
    lines = _PAGE.read_text("utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if line.lstrip("#").strip() == heading]
    assert len(starts) == 1, f"docs/QUEUE.md has {len(starts)} times {heading!r}"
    rest = lines[starts[0] + 1 :]
    ends = [n for n, line in enumerate(rest) if line.startswith("#")]
    return rest[: ends[0]] if ends else rest


def _tables(lines: list[str]) -> Iterator[tuple[Row, list[Row]]]:
    table: list[Row] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            table.append(tuple(cell.strip() for cell in line.strip("|").split(" | ")))
        elif table:
            yield table[0], table[2:]
            table = []
