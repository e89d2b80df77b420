# SPDX-License-Identifier: Apache-2.0
"""Which unit a process is in, by a cgroup tree of paper."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from maildropd.host.units import Units


def put(tree: Path, group: str, *pids: int) -> None:
    folder = tree / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path, "system.slice", 1)
    put(tmp_path, "system.slice/cron.service", 10, 11)
    put(tmp_path, "system.slice/system-x.slice/x@1.service/inner", 12)
    put(tmp_path, "user.slice/user-7.slice/session-3.scope", 20)
    put(tmp_path, "user.slice/user-7.slice/user@7.service/app.slice/cron.service", 21)
    return tmp_path


@pytest.mark.parametrize(
    ("pid", "unit"),
    [
        (10, "cron.service"),
        (11, "cron.service"),
        (12, "x@1.service"),
        (20, "session-3.scope"),
        (1, None),
        (99, None),
        (0, None),
    ],
)
def test_a_process_is_found_in_its_unit(tree: Path, pid: int, unit: str | None) -> None:
    assert Units(tree).of(pid) == unit


def test_a_user_cannot_name_himself_a_system_unit(tree: Path) -> None:
    """What runs below his manager is named by himself."""
    assert Units(tree).of(21) == "user@7.service"


def test_who_has_left_a_unit_is_not_found_there_again(tree: Path) -> None:
    units = Units(tree)
    assert units.of(10) == "cron.service"

    put(tree, "system.slice/cron.service", 11)
    put(tree, "system.slice/other.service", 10)

    assert units.of(10) == "other.service"


@pytest.mark.parametrize("hierarchy", ["unified", "systemd"])
def test_an_older_host_has_the_tree_elsewhere(tmp_path: Path, hierarchy: str) -> None:
    put(tmp_path / hierarchy, "system.slice/cron.service", 10)

    assert Units(tmp_path).of(10) == "cron.service"


def test_without_systemd_nobody_has_a_unit(tmp_path: Path) -> None:
    assert Units(tmp_path).of(10) is None


def test_a_tree_that_is_closed_to_us_keeps_nobody_from_starting(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In some containers only root may look into one of them."""
    seen = os.stat

    def closed(path: Any, **how: Any) -> os.stat_result:
        if "unified" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return seen(path, **how)

    monkeypatch.setattr(os, "stat", closed)

    assert Units(tree).of(10) == "cron.service"
