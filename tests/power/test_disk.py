# SPDX-License-Identifier: Apache-2.0
"""The machinery itself: a cut takes what was not synced, and nothing else."""

import json
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.integration.daemon import HOME
from tests.power.__main__ import ALONE
from tests.power.disk import kinds


@pytest.fixture(scope="module", params=kinds())
def left(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What is on a disk after a cut: old, new, empty or odd, by name."""
    words = probe(request.param, tmp_path_factory.mktemp("disk"))
    done = subprocess.run(words, cwd=HOME, check=True, stdout=PIPE, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_synced_file_survives_a_cut(left: dict[str, str]) -> None:
    assert left["synced"] == "old"


def test_an_unsynced_file_does_not(left: dict[str, str]) -> None:
    assert left.get("unsynced", "empty") == "empty"


def test_what_was_overwritten_and_not_synced_is_as_it_was(left: dict[str, str]) -> None:
    assert left["overwritten"] == "old"


def test_a_rename_that_was_not_synced_has_not_been(left: dict[str, str]) -> None:
    assert left["before-rename"] == "old"
    assert "after-rename" not in left


def test_a_file_whose_removal_was_not_synced_comes_back(left: dict[str, str]) -> None:
    assert left["unlinked"] == "old"


def test_nothing_is_left_behind_when_a_worker_is_killed(tmp_path: Path) -> None:
    """Mounts and loop devices go with the namespaces, and so do processes."""
    with subprocess.Popen(
        probe("wait", tmp_path), cwd=HOME, stdin=PIPE, stdout=PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"mounted\n"
        assert str(tmp_path) in loops()

        worker.kill()

    deadline = time.monotonic() + 30
    while str(tmp_path) in loops():
        assert time.monotonic() < deadline


def loops() -> str:
    return subprocess.run(["losetup", "--all"], check=True, stdout=PIPE).stdout.decode()


def probe(kind: str, folder: Path) -> list[str]:
    return [*ALONE, sys.executable, "-m", "tests.power.probe", kind, str(folder)]
