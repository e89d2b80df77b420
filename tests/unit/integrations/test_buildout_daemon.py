# SPDX-License-Identifier: Apache-2.0
"""Whether the daemon of a PID file runs: by its lock, never by its number."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.integrations.buildout_daemon import (
    Found,
    end,
    is_maildrophost,
    is_worked_in,
    look,
)

DAEMON = """
import fcntl, os, signal, sys
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
if sys.argv[2] != "new":
    file.write(f"{os.getpid()}\\n")
    file.flush()
folder = os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY)
fcntl.flock(folder, fcntl.LOCK_EX)
print(flush=True)
signal.alarm(60)
signal.pause()
"""


class Daemon:
    """A process that holds a PID file, and its folder."""

    def __init__(self, path: Path, how: str = "") -> None:
        command = [sys.executable, "-c", DAEMON, str(path), how]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> int:
        assert self.process.stdout is not None
        self.process.kill()
        self.process.stdout.close()
        return self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    daemon = Daemon(path)
    yield daemon
    daemon.close()


def test_it_runs_while_it_holds_the_lock(path: Path, daemon: Daemon) -> None:
    assert look(path) == Found(state="running", pid=daemon.process.pid)
    daemon.close()

    assert look(path) == Found(state="stale", pid=daemon.process.pid)


def test_a_number_of_somebody_who_runs_is_not_enough(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")

    assert look(path) == Found(state="stale", pid=os.getpid())


@pytest.mark.parametrize("text", ["", "garbage", "-5", "1 2", "\u00b9"])
def test_what_is_no_number_is_garbage(path: Path, text: str) -> None:
    path.write_text(text)

    assert look(path) == Found(state="garbage")


def test_no_file_is_no_daemon(path: Path) -> None:
    assert look(path) == Found(state="none")


def test_one_that_has_just_begun_runs_without_a_number(path: Path) -> None:
    daemon = Daemon(path, "new")
    try:
        assert look(path) == Found(state="running", pid=0)
    finally:
        daemon.close()


def test_it_is_asked_to_end_and_its_file_goes(path: Path, daemon: Daemon) -> None:
    end(path, daemon.process.pid)

    assert daemon.process.wait(10) == -signal.SIGTERM
    assert not path.exists()


def test_one_that_does_not_end_is_killed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maildropd.integrations.buildout_daemon._GRACE", 0.05)
    daemon = Daemon(path, "stubborn")

    end(path, daemon.process.pid)

    assert daemon.process.wait(10) == -signal.SIGKILL
    daemon.close()


def test_another_process_of_that_number_is_left_alone(path: Path) -> None:
    bystander = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    )
    path.write_text(f"{bystander.pid}\n")

    end(path, bystander.pid)

    assert bystander.poll() is None
    bystander.communicate(b"\n", 10)
    assert bystander.returncode == 0
    end(path, bystander.pid)  # nobody has it now


def test_a_spool_is_worked_in_while_somebody_holds_it(
    tmp_path: Path, daemon: Daemon
) -> None:
    assert is_worked_in(str(tmp_path))
    daemon.close()

    assert not is_worked_in(str(tmp_path))
    assert not is_worked_in(str(tmp_path / "missing"))


def test_only_a_daemon_of_maildrophost_is_one() -> None:
    code = "print(flush=True); input()"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, "/srv/maildrop.py"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_maildrophost(process.pid)
        process.kill()

    assert not is_maildrophost(os.getpid())
    assert not is_maildrophost(0)
