# SPDX-License-Identifier: Apache-2.0
"""The page of what replaces what is true: each line has a row, each row a test."""

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from tests.shape.house import ROOT


def loaded() -> ModuleType:
    """Return scripts/compatibility.py, which is no part of a package."""
    path = ROOT / "scripts" / "compatibility.py"
    spec = importlib.util.spec_from_file_location("compatibility", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["compatibility"] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = loaded()
TABLE = SCRIPT.read()
NAMED = sorted({test for row in TABLE.rows for test in row.tests})


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file."""
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in found if isinstance(node, kinds))


def test_the_page_is_the_one_that_the_table_makes() -> None:
    """python3 scripts/compatibility.py > docs/COMPATIBILITY.md makes it so."""
    assert (ROOT / "docs" / "COMPATIBILITY.md").read_text() == SCRIPT.page(TABLE)


def test_every_line_has_a_row_or_a_reason() -> None:
    shown = {row.line for row in TABLE.rows}
    excused = {row.line for row in TABLE.open}

    later = set(TABLE.later)
    assert shown | excused | later == set(TABLE.lines)
    assert len(shown) + len(excused) + len(later) == len(TABLE.lines)
    assert list(TABLE.lines) == sorted(set(TABLE.lines))


@pytest.mark.parametrize("test", NAMED)
def test_every_test_that_is_named_is_there(test: str) -> None:
    file, _, name = test.partition("::")

    assert name.startswith("test_")
    assert name in functions(ROOT / file)


def test_every_row_says_whose_it_is_and_names_a_test() -> None:
    for row in TABLE.rows:
        assert row.tests, row.line
        assert row.what.endswith("."), row.line
        assert set(row.systems) <= {"MH", "IN", "GS"}, row.line
        assert row.systems, row.line
