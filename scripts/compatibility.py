# SPDX-License-Identifier: Apache-2.0
"""Say what replaces what, and which test shows it, from tests/compatibility.toml.

    python3 scripts/compatibility.py > docs/COMPATIBILITY.md

Written lines of the page are in here; tests/shape holds page and table together.
"""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[1]
TABLE = HOME / "tests" / "compatibility.toml"

_HEAD = """\
# Compatibility: what replaces what, and which test shows it

For whoever runs one of these systems, and wants to know what becomes of it:

- **MH**: MaildropHost 2.3
- **IN**: infrae.maildrophost 2.2
- **GS**: gs.email, with zope.sendmail 3.7 to 7.3 and repoze.sendmail 4.4 to 4.5

[The guides](migration/README.md) say how to move from them.
The numbers are those of the list of features that this project was begun with;
where one is missing, it belongs to another system.
This page is made of `tests/compatibility.toml` by `scripts/compatibility.py`.
"""

_OPEN = """
## What has no equal here

| # | of | why |
|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What ours does of one line, and the tests that show it."""

    line: int
    systems: tuple[str, ...]
    what: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A line without an equal, and why."""

    line: int
    systems: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole file."""

    lines: tuple[int, ...]
    later: tuple[int, ...]
    rows: tuple[Row, ...]
    open: tuple[Open, ...]


def read(path: Path = TABLE) -> Table:
    """Read the table; a key that is not known is an error."""
    said: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    lists = {"systems", "tests"}

    def made(kind: Any, each: dict[str, Any]) -> Any:
        return kind(**{k: tuple(v) if k in lists else v for k, v in each.items()})

    return Table(
        lines=tuple(said["lines"]),
        later=tuple(said.get("later", [])),
        rows=tuple(made(Row, each) for each in said["row"]),
        open=tuple(made(Open, each) for each in said.get("open", [])),
    )


def page(table: Table) -> str:
    """Return the page."""
    pieces = [_HEAD, *_rows(table.rows), *_open(table.open)]
    if table.later:
        pieces += ["", f"Not shown yet: {', '.join(map(str, table.later))}."]
    return "\n".join(pieces) + "\n"


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a paragraph for each, and its tests: rows of a table would be too long."""
    for row in sorted(rows, key=lambda row: row.line):
        yield f"**{row.line}** ({', '.join(row.systems)}) {row.what}"
        yield ""
        yield from (f"- {_sentence(test)}" for test in row.tests)
        yield ""


def _sentence(test: str) -> str:
    """Return a test's name as the sentence that it is, and where it stands."""
    file, _, name = test.partition("::")
    said = name.removeprefix("test_").replace("_", " ")
    return f"{said} (`{file.removeprefix('tests/')}`)"


def _open(rows: Sequence[Open]) -> Iterator[str]:
    if rows:
        yield from _OPEN.splitlines()
    for row in sorted(rows, key=lambda row: row.line):
        yield f"| {row.line} | {', '.join(row.systems)} | {row.why} |"


if __name__ == "__main__":
    sys.stdout.write(page(read()))
