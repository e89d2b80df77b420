# SPDX-License-Identifier: Apache-2.0
"""Between a vote and a commit, mails are on disk, and nobody takes them."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd import api
from maildropd.edge.spool.frames import check
from tests.unit.client.test_submitting import left

MAILS = [
    api.prepare(f"From: a@x.example\nTo: b@x.example\n\n{number}\n")
    for number in range(3)
]


def test_staged_mails_lie_hidden_until_one_rename_releases_all(
    door: api.Door, drop: Path
) -> None:
    staged = api.stage(MAILS, door)

    (hidden,) = os.listdir(drop)
    assert hidden.startswith(".")
    assert (drop / hidden).stat().st_mode & 0o777 == 0o640

    staged.release()
    staged.release()

    assert os.listdir(drop) == [hidden[1:]]
    assert left(drop) == {one.key: one.content for one in MAILS}
    assert check([(drop / hidden[1:]).read_bytes()]) == 3


def test_discarded_mails_are_gone_and_stay_so(door: api.Door, drop: Path) -> None:
    staged = api.stage(MAILS, door)

    staged.discard()
    staged.discard()
    staged.release()

    assert os.listdir(drop) == []


def test_released_mails_can_be_discarded_no_more(door: api.Door, drop: Path) -> None:
    staged = api.stage(MAILS, door)
    staged.release()

    staged.discard()

    assert len(left(drop)) == 3


def test_no_mails_need_no_file(door: api.Door, drop: Path) -> None:
    staged = api.stage([], door)
    staged.release()

    assert os.listdir(drop) == []


def test_another_process_may_release_it(door: api.Door, drop: Path) -> None:
    staged = pickle.loads(pickle.dumps(api.stage(MAILS, door)))

    staged.release()

    assert len(left(drop)) == 3


def test_what_was_set_aside_meanwhile_cannot_be_released(
    door: api.Door, drop: Path
) -> None:
    staged = api.stage(MAILS, door)
    (hidden,) = drop.iterdir()
    hidden.unlink()

    with pytest.raises(api.Unavailable, match="is gone, nothing is sent"):
        staged.release()


def test_where_nothing_can_be_staged_the_reason_is_said(
    door: api.Door, drop: Path
) -> None:
    drop.rmdir()

    with pytest.raises(api.Unavailable, match=f"{drop}: No such file or directory"):
        api.stage(MAILS, door)


@pytest.mark.parametrize("name", ["open", "fchmod", "write", "fsync"])
def test_a_disk_that_fails_stages_nothing(
    door: api.Door, drop: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, full)
        with pytest.raises(api.Unavailable):
            api.stage(MAILS, door)

    assert os.listdir(drop) == []


def test_once_renamed_it_is_released_whatever_the_disk_says(
    door: api.Door, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon may have it already: an error would make two of it."""
    staged = api.stage(MAILS, door)

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    staged.release()

    assert len(left(drop)) == 3


def test_a_name_that_cannot_be_changed_releases_nothing(
    door: api.Door, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = api.stage(MAILS, door)

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", read_only)
        with pytest.raises(api.Unavailable):
            staged.release()
    staged.release()

    assert len(left(drop)) == 3


def traced(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the system calls that matter, in order."""
    calls: list[str] = []
    for name in ("write", "fsync", "rename"):
        real: Callable[..., object] = getattr(os, name)

        def noted(
            *values: object, name: str = name, real: Callable[..., object] = real
        ) -> object:
            calls.append(name)
            return real(*values)

        monkeypatch.setattr(os, name, noted)
    act()
    return calls


def test_all_is_synced_before_it_has_a_name_and_the_name_after(
    door: api.Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = traced(lambda: api.stage(MAILS, door).release(), monkeypatch)

    assert calls == ["write", "fsync", "rename", "fsync"]


def test_a_large_bundle_is_written_in_pieces(door: api.Door, drop: Path) -> None:
    large = [
        api.prepare(b"From: a@x.example\nTo: b\n\n" + b"x" * 400_000) for _ in range(20)
    ]

    api.stage(large, door).release()

    assert len(left(drop)) == 20
