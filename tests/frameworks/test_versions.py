# SPDX-License-Identifier: Apache-2.0
"""The frameworks are those of requirements-frameworks.txt, and no others."""

from importlib.metadata import version
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
WANTED = [
    line.split("==")
    for line in (HOME / "requirements-frameworks.txt").read_text().splitlines()
    if "==" in line
]


@pytest.mark.parametrize(("name", "wanted"), WANTED)
def test_the_framework_is_the_one_that_is_written_down(name: str, wanted: str) -> None:
    assert version(name) == wanted
