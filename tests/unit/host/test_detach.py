# SPDX-License-Identifier: Apache-2.0
"""A daemon that leaves its terminal: seen from whoever started it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd.host.detach import AlreadyRunning, PidFile

DAEMON = """
import os, signal, sys
from pathlib import Path
from maildropd.host.detach import AlreadyRunning, detached

def serve(ready):
    fifo, how = sys.argv[2:]
    if how == "refuse":
        print("no such relay", file=sys.stderr)
        return 78
    if how == "crash":
        raise RuntimeError("a bug")
    if how == "stop":
        return 0
    ready()
    print("running", os.getpid(), os.getsid(0), os.getcwd(), file=open(fifo, "w"))
    signal.sigwait({signal.SIGUSR1})
    print("ended", file=open(fifo, "w"))
    return 3

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
try:
    sys.exit(detached(serve, Path(sys.argv[1]) if sys.argv[1] else None))
except AlreadyRunning as error:
    sys.exit(str(error))
"""

Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    os.mkfifo(tmp_path / "fifo")

    def start(how: str, pid_file: str = "pid") -> "subprocess.CompletedProcess[str]":
        """Start a daemon in the background; what it says goes to a file."""
        with open(tmp_path / "stderr", "w") as stderr:
            done = subprocess.run(
                [sys.executable, "-c", DAEMON, pid_file, tmp_path / "fifo", how],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
                stderr=stderr,
                stdout=subprocess.PIPE,
                text=True,
                timeout=30,
                check=False,
            )
        done.stderr = (tmp_path / "stderr").read_text()
        return done

    return start


def test_the_start_returns_when_the_daemon_is_ready(
    start: Start, tmp_path: Path
) -> None:
    assert start("run").returncode == 0

    word, pid, session, folder = (tmp_path / "fifo").read_text().split()
    assert word == "running"
    assert int((tmp_path / "pid").read_text()) == int(pid)
    assert int(session) not in (os.getsid(0), int(pid))  # it can get no terminal
    assert folder == "/"

    os.kill(int(pid), signal.SIGUSR1)
    assert (tmp_path / "fifo").read_text() == "ended\n"


def test_a_second_daemon_is_refused_with_the_id_of_the_first(
    start: Start, tmp_path: Path
) -> None:
    start("run")
    pid = (tmp_path / "fifo").read_text().split()[1]

    second = start("run")

    assert second.returncode == 1
    assert second.stderr == f"{tmp_path}/pid: pid {pid} runs\n"
    os.kill(int(pid), signal.SIGUSR1)
    (tmp_path / "fifo").read_text()


def test_a_daemon_that_cannot_start_says_why_to_whoever_started_it(
    start: Start, tmp_path: Path
) -> None:
    done = start("refuse")

    assert done.returncode == 78
    assert done.stderr == "no such relay\n"
    assert not (tmp_path / "pid").exists()


def test_a_daemon_that_breaks_at_the_start_is_not_taken_for_ready(
    start: Start,
) -> None:
    done = start("crash")

    assert done.returncode == 1
    assert "RuntimeError: a bug" in done.stderr


def test_a_daemon_that_is_told_to_stop_while_it_starts_has_not_failed(
    start: Start,
) -> None:
    assert start("stop", pid_file="").returncode == 0


def test_a_pid_file_that_a_dead_process_left_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("1\n")

    with PidFile(tmp_path / "pid"):
        assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"

    assert not (tmp_path / "pid").exists()


def test_a_pid_file_is_locked_from_the_first(tmp_path: Path) -> None:
    told = pytest.raises(AlreadyRunning, match=f"pid {os.getpid()} runs")

    with PidFile(tmp_path / "pid"), told:
        PidFile(tmp_path / "pid")


def test_a_pid_file_that_somebody_removed_is_no_trouble(tmp_path: Path) -> None:
    with PidFile(tmp_path / "pid"):
        os.unlink(tmp_path / "pid")
