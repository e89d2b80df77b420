# SPDX-License-Identifier: Apache-2.0
"""A program that is run for somebody ends, with all that it started."""

import os
import select
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.child import Child, End, Ended
from maildropd.host.clock import SystemClock

LONG = timedelta(seconds=20)
SOON = timedelta(seconds=0.3)


@pytest.fixture
def nothing() -> Iterator[int]:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def run(script: str, stdin: int, limit: timedelta = LONG, **more: str) -> Ended:
    child = Child(["/bin/sh", "-c", script], stdin, more)
    return child.wait(limit, SystemClock())


def test_it_says_how_it_ended_and_what_it_wrote(nothing: int) -> None:
    ended = run("echo one; echo two >&2; exit 3", nothing)

    assert ended == Ended(end=End.OWN, code=3, output=b"one\ntwo\n")


def test_a_signal_is_a_negative_number(nothing: int) -> None:
    assert run("kill -TERM $$", nothing).code == -15


def test_it_gets_no_environment_but_what_it_is_given(nothing: int) -> None:
    words, clock = ["/usr/bin/env"], SystemClock()

    ended = Child(words, nothing, {"SENDER": "a b"}).wait(LONG, clock)

    assert ended.output == b"SENDER=a b\n"


def test_it_reads_its_input_and_holds_no_other_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("hello")
    with (tmp_path / "mail").open("rb") as mail:
        ended = run("cat; cd /proc/self/fd; echo; echo *; pwd -P", mail.fileno())

    assert ended.output.split(b"\n")[0] == b"hello"
    assert ended.output.split(b"\n")[1] in (b"0 1 2", b"0 1 2 3")  # the shell's own


def test_of_endless_words_the_beginning_is_kept(nothing: int) -> None:
    """They must neither fill the memory nor hold it up."""
    ended = run("yes | head -c 1000000; exit 4", nothing)

    assert ended.code == 4
    assert ended.output == b"y\n" * 2048


@pytest.mark.parametrize("script", ["sleep 1000", "yes", "trap '' TERM; sleep 1000"])
def test_what_takes_too_long_is_killed(script: str, nothing: int) -> None:
    ended = run(script, nothing, SOON)

    assert (ended.end, ended.code) == (End.TIME, -9)


def test_another_thread_can_stop_it(nothing: int) -> None:
    child = Child(["/bin/sh", "-c", "sleep 1000"], nothing, {})
    threading.Timer(0.1, child.stop).start()

    assert child.wait(LONG, SystemClock()).end is End.STOPPED
    child.stop()  # it is over: nothing else may be hit


@pytest.mark.parametrize(
    ("script", "limit"), [("echo $!; exit 0", LONG), ("echo $!; wait", SOON)]
)
def test_what_it_started_ends_with_it(
    script: str, limit: timedelta, nothing: int
) -> None:
    """Also what holds on to its output, which nobody would read any more."""
    child = Child(["/bin/sh", "-c", f"sleep 1000 & {script}"], nothing, {})
    assert select.select([child._output], [], [], 30)[0]  # it is under way
    ended = child.wait(limit, SystemClock())

    assert _has_ended(int(ended.output))


def _has_ended(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("path", ["/nowhere/program", "/etc/passwd", "/"])
def test_what_cannot_be_run_is_said_and_leaves_nothing(path: str, nothing: int) -> None:
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match=path):
        Child([path], nothing, {})

    assert len(os.listdir("/proc/self/fd")) <= before


def test_it_leaves_no_descriptor_and_no_zombie(nothing: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for script in ("exit 0", "exit 1", "kill $$"):
        run(script, nothing)

    assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
