# SPDX-License-Identifier: Apache-2.0
"""Another program can neither hold us up nor fill our memory."""

import select
import subprocess
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest

from maildropd.host.command import LATE, MISSING, run

SHORT = timedelta(seconds=1)
LONG = timedelta(seconds=30)


def sh(script: str, *, within: timedelta = LONG, stdin: bytes = b"") -> tuple[int, str]:
    ended = run(["/bin/sh", "-c", script], stdin=stdin, keep=100, within=within)
    return ended.status, ended.text


def test_it_is_heard_on_both_outputs_and_its_status_kept() -> None:
    assert sh("echo one; echo two >&2; exit 3") == (3, "one\ntwo\n")


def test_it_reads_what_it_is_given() -> None:
    assert sh("cat", stdin=b"hello\n") == (0, "hello\n")


def test_one_that_does_not_read_holds_nobody_up() -> None:
    assert sh("exit 0", stdin=b"x" * 1_000_000) == (0, "")


def test_of_much_the_last_is_kept() -> None:
    ended = run(
        ["/bin/sh", "-c", "seq 100000; echo end"], stdin=b"", keep=100, within=LONG
    )

    assert len(ended.said) == 100
    assert ended.said.endswith(b"100000\nend\n")
    assert ended.cut


def test_what_is_no_utf_8_is_marked() -> None:
    assert sh(r"printf 'a\377b'") == (0, "a\N{REPLACEMENT CHARACTER}b")


class Begun(subprocess.Popen[bytes]):
    """Has said something when its time begins to run, however long its start took."""

    def __init__(self, *values: Any, **more: Any) -> None:
        super().__init__(*values, **more)
        assert self.stdout
        assert select.select([self.stdout], [], [], 30)[0]


def test_one_that_is_silent_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Begun)
    began = monotonic()

    assert sh("echo begun; exec sleep 60", within=SHORT) == (LATE, "begun\n")
    assert monotonic() - began < 20


def test_one_that_talks_too_long_is_ended() -> None:
    began = monotonic()

    assert sh("exec yes", within=SHORT)[0] == LATE
    assert monotonic() - began < 20


def test_one_that_closes_its_output_and_goes_on_is_ended() -> None:
    began = monotonic()

    assert sh("exec >&- 2>&-; exec sleep 60", within=SHORT) == (LATE, "")
    assert monotonic() - began < 20


def test_a_missing_program_is_a_status() -> None:
    ended = run(["/nowhere/x"], keep=100, within=LONG)

    assert ended.status == MISSING
    assert "/nowhere/x" in ended.text
