# SPDX-License-Identifier: Apache-2.0
"""The daemon of the old kind: in the background, with a PID file, without systemd."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DEADLINE, HOME, DaemonProcess, command

MAIL = b"##To:r@example.net\n##From:app@example.org\nSubject: x\n\nx\n"


class Detached:
    """A daemon that only its PID file leads to."""

    def __init__(self, folder: Path) -> None:
        self.pid_file = folder / "maildropd.pid"
        self.log = folder / "log"
        self._folder = folder

    def start(self) -> subprocess.CompletedProcess[bytes]:
        """Run the command; it returns when the daemon is ready, or cannot be."""
        with self.log.open("ab") as log:
            return subprocess.run(
                [
                    *command("maildropd"),
                    *("--config", self._folder, "--log-format", "text"),
                    *("--detach", "--pid-file", self.pid_file),
                ],
                cwd=HOME,
                check=False,
                timeout=DEADLINE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def stop(self) -> None:
        """End it, and wait until it has gone."""
        os.kill(self.pid, signal.SIGTERM)
        until(lambda: not self.pid_file.exists())


def until(holds: Callable[[], bool]) -> None:
    """Look until something holds, but not for ever."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end
        os.sched_yield()


@pytest.fixture
def detached(tmp_path: Path, server: SmtpServer) -> Iterator[Detached]:
    DaemonProcess(tmp_path, server.port)  # writes the configuration
    detached = Detached(tmp_path)
    yield detached
    with suppress(FileNotFoundError, ProcessLookupError):
        detached.stop()


def test_it_delivers_reloads_and_stops_by_its_pid_file(
    detached: Detached, server: SmtpServer, tmp_path: Path
) -> None:
    assert detached.start().returncode == 0
    (tmp_path / "drop" / ".1").write_bytes(MAIL)
    (tmp_path / "drop" / ".1").rename(tmp_path / "drop" / "1")
    server.wait(lambda s: len(s.delivered) == 1)

    os.kill(detached.pid, signal.SIGHUP)
    until(lambda: "reloaded" in detached.log.read_text())
    detached.stop()

    assert "stopped, 0 recipients queued" in detached.log.read_text()


def test_a_second_one_is_refused_and_told_why(detached: Detached) -> None:
    assert detached.start().returncode == 0
    first = detached.pid

    assert detached.start().returncode == 1

    assert str(first) in detached.log.read_text()
    assert detached.pid == first


def test_a_pid_file_left_by_a_kill_hinders_nobody(detached: Detached) -> None:
    """A stale one, even with the number of a process that lives, is not obeyed."""
    assert detached.start().returncode == 0
    os.kill(detached.pid, signal.SIGKILL)

    def again() -> bool:
        return detached.start().returncode == 0

    until(again)

    assert Path(f"/proc/{detached.pid}").exists()


def test_a_wrong_configuration_is_said_before_it_detaches(
    detached: Detached, tmp_path: Path
) -> None:
    (tmp_path / "maildropd.conf").write_text("[queue]\nfirst_rety = 1s\n")

    assert detached.start().returncode == 78

    assert "first_retry" in detached.log.read_text()
    assert not detached.pid_file.exists()


def test_a_daemon_in_the_foreground_keeps_a_pid_file_too(
    tmp_path: Path, server: SmtpServer
) -> None:
    """For a supervisor: what it started is what the file names, and only that."""
    DaemonProcess(tmp_path, server.port)
    pid_file = tmp_path / "maildropd.pid"
    line = [*command("maildropd"), "--config", str(tmp_path), "--log-format", "text"]
    line += ["--pid-file", str(pid_file)]
    first = subprocess.Popen(line, cwd=HOME, stderr=subprocess.PIPE)
    try:
        assert first.stderr is not None
        until_line(first.stderr, b"ready")
        assert int(pid_file.read_text()) == first.pid

        second = subprocess.run(
            line, cwd=HOME, stderr=subprocess.PIPE, check=False, timeout=DEADLINE
        )
        assert second.returncode == 1
        assert f"pid {first.pid} runs".encode() in second.stderr
    finally:
        first.terminate()
        _, rest = first.communicate(timeout=DEADLINE)

    assert first.returncode == 0, rest
    assert not pid_file.exists()


def until_line(lines: IO[bytes], words: bytes) -> None:
    """Read until a line has these words; it ends when the daemon does."""
    assert any(words in line for line in lines)
