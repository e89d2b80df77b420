# SPDX-License-Identifier: Apache-2.0
"""maildropd as an administrator has it: all defaults, journal, compiled modules."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from bench import meter
from bench.sink import PORT
from bench.waiting import TooSlow, until

PINNED = ("/usr/bin/taskset", "--cpu-list", "0")  # as CPUAffinity= does
HOME = Path(__file__).resolve().parent.parent
# The deb's /usr/sbin/maildropd does the same.
_COMMAND: Sequence[str] = (
    sys.executable,
    "-c",
    "import sys; from maildropd.cli.maildropd import main; sys.exit(main())",
)
CONFIG = (
    f"[relay smarthost]\nhost = 127.0.0.1\nport = {PORT}\ntls = none\n[spool drop]\n"
)


class Daemon:
    """One daemon on one folder; ``exec`` is the moment it was started."""

    def __init__(
        self,
        folder: Path,
        *,
        config: str = CONFIG,
        around: Sequence[str] = (),
        command: Sequence[str] = _COMMAND,
    ) -> None:
        """Start it; ``around`` is a program that runs it, with its arguments."""
        folder.mkdir(parents=True, exist_ok=True)
        self.drop = folder / "drop"
        self._folder = folder
        self._may_fork = around not in ((), PINNED)
        (folder / "maildropd.conf").write_text(config)
        notify = folder / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(notify))
        self._said = threading.Event()
        self._ready = 0.0
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        options = ("--config", str(folder), "--log-format", "journal")
        self.exec = time.monotonic()
        self._process = subprocess.Popen(
            [*around, *command, *options],
            cwd=HOME,
            env={**os.environ, "NOTIFY_SOCKET": str(notify)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # To itself: what runs it may keep a signal to itself, as strace does.
        os.kill(self.pid, signal.SIGTERM)
        self._process.wait()
        # It unblocks the thread; a close would not.
        self._notify.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._notify.close()
        (self._folder / "notify").unlink()

    @property
    def pid(self) -> int:
        """The one process there is; what runs it may be its parent."""
        pid = self._process.pid
        if self._may_fork:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return int(children[0]) if children else pid
        return pid

    def ready(self) -> float:
        """Wait for READY=1; return the seconds since the start."""
        if not self._said.wait(60):
            raise TooSlow("READY=1: not within 60 s")
        return self._ready - self.exec

    def drained(self) -> float:
        """Wait until all outcomes are in the store; return when."""
        database = f"file:{self._folder}/state/queue.db?mode=ro"

        def is_empty() -> bool:
            if self._process.poll() is not None:
                raise TooSlow("the daemon has ended")
            with closing(sqlite3.connect(database, uri=True)) as connection:
                query = "SELECT count(*) FROM recipient WHERE state = 'ready'"
                return bool(connection.execute(query).fetchone() == (0,))

        return until(is_empty, "maildropd's queue is empty", pace=0.05)

    def cpu(self) -> float:
        """Return the processor seconds used until now."""
        return meter.cpu([self.pid])

    def _listen(self) -> None:
        # As systemd does, to the end: where nobody reads, the daemon waits.
        while said := self._notify.recv(4096):
            if b"READY=1" in said:
                self._ready = time.monotonic()
                self._said.set()


def compile_modules(cache: Path) -> None:
    """Compile once, as installing packages does: ours, and what ours import."""
    os.environ["PYTHONPYCACHEPREFIX"] = str(cache)
    with suppress(KeyError):
        del os.environ["PYTHONDONTWRITEBYTECODE"]
    modules = "import maildropd.cli.maildropd, maildropd.daemon.start, pyinotify"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", modules], check=True, cwd=HOME
    )
