# SPDX-License-Identifier: Apache-2.0
"""The promises name tests that exist, and the mutants fit the code they break."""

import ast
import re
import tomllib
from typing import Any

import pytest

from tests.shape.house import ROOT

PAGE = (ROOT / "docs" / "RELIABILITY.md").read_text("utf-8")
PROMISES = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
MUTANTS: list[dict[str, Any]] = tomllib.loads(
    (ROOT / "tests" / "mutants.toml").read_text("utf-8")
)["mutant"]


@pytest.mark.parametrize(("file", "test"), PROMISES)
def test_a_test_that_holds_a_promise_exists(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))

    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not test or test in names


def test_every_layer_of_faults_holds_promises() -> None:
    """A file of tests that no line of the page names is a promise kept quiet."""
    named = {file for file, _ in PROMISES}

    for folder in ("faults", "fuzz", "power", "soak"):
        tests = (ROOT / "tests" / folder).glob("test_*.py")
        assert not {str(each.relative_to(ROOT)) for each in tests} - named


def test_every_mutant_has_a_name_of_its_own() -> None:
    names = [mutant["name"] for mutant in MUTANTS]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_mutant_fits_the_code_it_breaks(mutant: dict[str, Any]) -> None:
    """The code moves on; a mutant that no longer applies proves nothing."""
    whole = (ROOT / mutant["file"]).read_text("utf-8")

    assert whole.count(mutant["before"]) == 1
    if mutant["file"].endswith(".py"):
        ast.parse(whole.replace(mutant["before"], mutant["after"]))
    assert mutant["killers"]
    assert all((ROOT / each.partition("::")[0]).exists() for each in mutant["killers"])
