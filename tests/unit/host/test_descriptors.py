# SPDX-License-Identifier: Apache-2.0
"""How many file descriptors there may be, and those that are spared."""

import os
import resource
from pathlib import Path

import pytest

from maildropd.host.descriptors import Spare, allowed

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             31798                31798                processes
Max open files            77                   524288               files
"""


def _forbidden(*_: object) -> tuple[int, int]:
    raise PermissionError


def test_a_limit_that_may_be_raised_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(64, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))

    assert allowed() == 4096
    assert limits[-1] == (4096, 4096)


def test_a_limit_without_end_is_not_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, endless))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    assert allowed() == 65_536


@pytest.mark.parametrize(("said", "found"), [(LIMITS, 77), ("", 1024)])
def test_in_the_services_sandbox_the_limit_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: int
) -> None:
    """Its system call filter allows no other way."""
    monkeypatch.setattr(resource, "getrlimit", _forbidden)
    (tmp_path / "limits").write_text(said)

    assert allowed(tmp_path / "limits") == found


def test_what_is_spared_can_be_used_in_need_and_is_taken_back() -> None:
    spare = Spare(2)
    before = len(os.listdir("/proc/self/fd"))

    spare.give_up()
    assert len(os.listdir("/proc/self/fd")) == before - 2

    assert spare.take()
    assert len(os.listdir("/proc/self/fd")) == before
    spare.give_up()
