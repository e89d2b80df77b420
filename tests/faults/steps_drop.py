# SPDX-License-Identifier: Apache-2.0
"""What can lie in a drop, by the names that docs/QUEUE.md uses."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from tests.faults.steps_spool import SpoolScene
from tests.unit.spool.stage import MAIL

_LARGE = MAIL + b"x" * 300_000 + b"\n"
_BAD = b"no mail"
_KEY = "0123456789abcdef" * 2
_LONG_AGO = 1_700_000_000


def _files(**contents: bytes) -> SpoolScene:
    return SpoolScene(lay=lambda folder: _write(folder, contents))


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / "drop" / name).write_bytes(content)


def _drafts(folder: Path) -> None:
    _write(folder, {".hidden": MAIL, "begun.tmp": MAIL})


def _staged(folder: Path) -> None:
    _write(folder, {f".{_KEY}": MAIL})


def _forgotten(folder: Path) -> None:
    _staged(folder)
    os.utime(folder / "drop" / f".{_KEY}", (_LONG_AGO, _LONG_AGO))


def _locked(folder: Path) -> None:
    _write(folder, {"locked": MAIL, "locked.lck": b""})


def _abandoned(folder: Path) -> None:
    _locked(folder)
    for name in ("locked", "locked.lck"):
        os.utime(folder / "drop" / name, (_LONG_AGO, _LONG_AGO))


def _one(folder: Path) -> None:
    _write(folder, {"one": MAIL})


def _bad(folder: Path) -> None:
    _write(folder, {"bad": _BAD})


def _empty(folder: Path) -> None:
    _write(folder, {"empty": b""})


def _no_room_aside(folder: Path) -> None:
    _bad(folder)
    (folder / "quarantine").write_bytes(b"a file is in its place")


def _taken_aside(folder: Path) -> None:
    """Something that is there already has a name that looks like one of ours."""
    _bad(folder)
    (folder / "quarantine").mkdir()
    (folder / "quarantine" / "20260101T000000Z-old").write_bytes(b"as it was")


def drops() -> Mapping[str, Mapping[str, SpoolScene]]:
    """Return the scenes for each row of "What the directory says"."""
    return _begun() | _complete() | _never_taken()


def _begun() -> dict[str, Mapping[str, SpoolScene]]:
    return {
        "`.KEY`, 32 hexadecimal digits": {
            "at work": SpoolScene(lay=_staged),
            "forgotten": SpoolScene(lay=_forgotten),
        },
        "any other `.NAME`, `NAME.tmp`": {"both": SpoolScene(lay=_drafts)},
        "`NAME.lck`": {"alone": _files(**{"locked.lck": b""})},
        "`NAME` and `NAME.lck`": {
            "at work": SpoolScene(lay=_locked),
            "abandoned": SpoolScene(lay=_abandoned),
        },
    }


def _complete() -> dict[str, Mapping[str, SpoolScene]]:
    return {
        "`NAME`, just reported by the kernel as closed, renamed to, or unlocked": {
            "closed": SpoolScene(
                lay=_one,
                ahead=timedelta(seconds=1),
                closed=(b"one",),
            )
        },
        "`NAME`, unchanged for `settle_time`": {
            "small": SpoolScene(lay=_one, sampled=False),
            "large": _files(one=_LARGE),
            "two": _files(one=MAIL, two=MAIL + b"2\n"),
        },
        "`NAME`, changed a moment ago": {
            "a second ago": SpoolScene(
                lay=_one,
                ahead=timedelta(seconds=1),
            )
        },
    }


def _never_taken() -> dict[str, Mapping[str, SpoolScene]]:
    return {
        "`NAME` that is no file, has several names, is empty, too large or"
        " unreadable, or holds no message with an envelope": {
            "no envelope": SpoolScene(lay=_bad, aside=True, sampled=False),
            "on another file system": SpoolScene(
                lay=_bad, aside=True, renames_cross=True
            ),
            "beside another": SpoolScene(lay=_taken_aside, aside=True),
            "an empty file": SpoolScene(lay=_empty, aside=True),
        },
        "the same, and the quarantine cannot take it": {
            "a file in its place": SpoolScene(lay=_no_room_aside)
        },
        "`NAME` that the disk does not give, or that meets a bug of ours": {
            "beside another": SpoolScene(
                lay=lambda folder: _write(folder, {"one": MAIL, "two": MAIL + b"2\n"}),
                refused=b"one",
            )
        },
        "a directory": {
            "empty": SpoolScene(lay=lambda folder: (folder / "drop" / "d").mkdir())
        },
    }
