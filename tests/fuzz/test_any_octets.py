# SPDX-License-Identifier: Apache-2.0
"""What was found once is tried each time, and the search goes on for a while."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.places import surroundings
from tests.fuzz.search import CORPUS, command
from tests.fuzz.targets import TARGETS, target

ROOT = Path(__file__).parents[2]
KNOWN = sorted(CORPUS.glob("*/*"))
RUNS = 5000  # inputs for each parser; the long form goes by time
SECONDS = 60  # at most, on a machine that is busy
FEW = 100  # inputs in that time


def searched(search: list[str]) -> subprocess.CompletedProcess[str]:
    with surroundings() as environment:
        return subprocess.run(
            search,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


@pytest.mark.parametrize("found", KNOWN, ids=name)
def test_an_input_that_broke_something_does_so_no_more(found: Path) -> None:
    target(found.parent.name)(found.read_bytes())


def test_each_parser_has_inputs_to_begin_with() -> None:
    assert {path.parent.name for path in KNOWN} == set(TARGETS)


@pytest.mark.parametrize("parser", TARGETS)
def test_a_search_finds_no_octets_that_break(parser: str, tmp_path: Path) -> None:
    """Guided by what it reaches: the same way each time, as far as time allows."""
    search = command(parser, tmp_path, seconds=SECONDS, seed=1, runs=RUNS)

    found = searched(search)

    assert found.returncode == 0, found.stdout + found.stderr[-2000:]
    runs = re.search(r"Done (\d+) runs", found.stderr)
    assert runs
    assert int(runs[1]) > FEW


@pytest.mark.parametrize("parser", ["addresses", "aliases"])
def test_a_search_goes_the_same_way_each_time(parser: str, tmp_path: Path) -> None:
    ways = []
    for turn in ("once", "again"):
        search = command(parser, tmp_path / turn, seconds=60, seed=1, runs=1000)
        said = searched(search).stderr
        # A pulse is shown only by one that has run for two seconds already.
        step = r"^#\d+\t(?!pulse).*cov: \d+ ft: \d+"
        ways.append(re.findall(step, said, re.MULTILINE))

    assert len(ways[0]) > FEW // 2
    assert ways[0] == ways[1]


def test_a_search_finds_what_is_broken(tmp_path: Path) -> None:
    """Or it would be green whatever happens."""
    search = command("broken", tmp_path, seconds=60, seed=1)

    found = searched(search)

    assert found.returncode != 0
    assert "a dot begins a line" in found.stdout
    assert list(tmp_path.glob("broken-crash-*"))
