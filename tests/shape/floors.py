# SPDX-License-Identifier: Apache-2.0
"""The floors of setup.cfg, read and kept without import-linter.

The same sections, in a few lines of the standard library: so the floors also
hold offline and in a package build, where import-linter is missing.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from tests.shape.house import Source

HOUSE = "maildropd"
# Who may start a thread or a task; the rest of the house is called.
STARTERS = (
    "maildropd.queue.manager",
    "maildropd.queue.spread",
    "maildropd.store.sqlite",
    "maildropd.edge",
    "maildropd.daemon.service",
    "maildropd.daemon.maildrophost_log",
)
_STARTING = {"Thread", "Timer", "ThreadPoolExecutor", "create_task", "run_in_executor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """What the contracts of setup.cfg say."""

    ranks: Mapping[str, int]  # package: its floor, 0 is the highest
    homes: Mapping[str, frozenset[str]]  # library: modules that may import it


def read_floors(setup: Path) -> Floors:
    """Read the layers contract and the contract on foreign libraries."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(setup.read_text("utf-8"))
    layers = parser["importlinter:contract:floors"]["layers"].split("\n")
    foreign = parser["importlinter:contract:foreign"]
    homes = [line.split(" -> ") for line in foreign["ignore_imports"].split("\n")]
    return Floors(
        ranks={
            package: rank
            for rank, layer in enumerate(filter(None, layers))
            for package in re.findall(r"\w+", layer)
        },
        homes={
            library: frozenset(h[0] for h in homes if h[-1].startswith(library))
            for library in foreign["forbidden_modules"].split()
        },
    )


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything a module imports."""
    for node in ast.walk(source.syntax()):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(names=names, module=module, level=level):
                base = source.module.split(".")
                base = base[: len(base) - level + source.is_package] if level else []
                full = ".".join([*base, *([module] if module else [])])
                yield from ((node.lineno, f"{full}.{name.name}") for name in names)
            case _:
                pass


def complaints(house: Iterable[Source], floors: Floors) -> Iterator[str]:
    """Yield every import that goes up, sideways, or abroad without a home."""
    for source in house:
        if source.module == HOUSE:
            continue
        floor = source.module.split(".")[1]
        if floor not in floors.ranks:
            yield source.at(1, f"{floor} is on no floor of setup.cfg")
            continue
        for line, name in imported(source):
            if trouble := _trouble(source.module, floor, name, floors):
                yield source.at(line, trouble)


def _trouble(module: str, floor: str, name: str, floors: Floors) -> str:
    top, _, rest = name.partition(".")
    if top != HOUSE:
        homeless = top in floors.homes and module not in floors.homes[top]
        return f"{top} has its home elsewhere" if homeless else ""
    target = rest.partition(".")[0]
    if target in ("", floor, "__version__"):
        return ""
    if target not in floors.ranks:
        return f"{target} is on no floor of setup.cfg"
    below = floors.ranks[target] > floors.ranks[floor]
    return "" if below else f"{floor} imports {target}, which is not below it"


def starters(house: Iterable[Source]) -> Iterator[str]:
    """Yield every place that starts a thread or a task and may not."""
    for source in house:
        if source.module.startswith(STARTERS):
            continue
        for node in ast.walk(source.syntax()):
            if isinstance(node, ast.Call) and called(node) in _STARTING:
                yield source.at(node.lineno, f"{called(node)} is not started here")


def called(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
