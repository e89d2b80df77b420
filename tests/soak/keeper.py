# SPDX-License-Identifier: Apache-2.0
"""Does for the daemon what systemd would, and writes down all it says."""

import fcntl
import json
import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from maildropd.host import sockets
from tests.integration.daemon import HOME, command, ids
from tests.soak.books import Books
from tests.soak.vitals import Vitals, vitals

_PIPE = 1024 * 1024
_STOP = 60.0  # seconds for a daemon to end that was told to
_ANSWER = 30.0
_LOOKS = 500  # at what it has open; a tenth of a second or so


class Keeper:
    """Starts, stops and asks one daemon at a time, in one folder."""

    def __init__(self, folder: Path, books: Books) -> None:
        """Begin without a daemon."""
        self.folder = folder
        self.frozen = False
        self.stopping = False
        self._books = books
        self._kinds = {number: name for name, number in ids().items()}
        self._log = (folder / "events.jsonl").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()
        self._commands: list[tuple[list[str], subprocess.Popen[str]]] = []

    @property
    def here(self) -> bool:
        """Whether a daemon was started, and its end not waited for."""
        return self._process is not None

    @property
    def ready(self) -> bool:
        """Whether it works, as far as we know."""
        return self._ready.is_set() and self.code is None

    @property
    def code(self) -> int | None:
        """Its exit code, if it has ended."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start a daemon; it need not become ready."""
        self._ready.clear()
        self.stopping = False
        self._process = process = subprocess.Popen(
            [*command("maildropd"), "--config", self.folder, "--log-format", "json"],
            cwd=HOME,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONDEVMODE": "", "MALLOC_ARENA_MAX": "2"},
        )
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, _PIPE)
        self._reader = threading.Thread(target=self._read, args=(process,))
        self._reader.start()

    def wait_ready(self, seconds: float) -> bool:
        """Wait until it works."""
        return self._ready.wait(seconds)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL)
        self.frozen = False
        self.reap()

    def stop(self) -> None:
        """Tell it to end in peace; told again, it hurries."""
        self.stopping = True
        self._signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """Tell it to read its configuration."""
        if self.ready and not self.stopping:  # else nobody catches it
            self._signal(signal.SIGHUP)

    def freeze(self) -> None:
        """Give it no time at all."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def catch(self, path: bytes) -> bool:
        """Freeze it while it has a file open; tell whether it had."""
        assert self._process is not None
        folder = f"/proc/{self._process.pid}/fd".encode()
        for _ in range(_LOOKS):
            if not os.path.exists(path):
                return False
            if path in _open_files(folder):
                self.freeze()
                return True
        return False

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    def reap(self) -> int:
        """Wait for its end; return its code."""
        assert self._process is not None
        assert self._reader is not None
        if self.frozen:
            self.thaw()
        try:
            code = self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._books.trouble(f"told to stop, it still runs after {_STOP} s")
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        self._process = None
        self._ready.clear()
        return code

    def vitals(self) -> Vitals:
        """Look at it."""
        assert self._process is not None
        return vitals(self._process.pid)

    def ask(self, **request: Any) -> dict[str, Any] | None:
        """Ask over the control socket; None if nobody answers."""
        with suppress(OSError, ValueError):
            path = self.folder / "run" / "control"
            with sockets.connect(path, _ANSWER) as connection:
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    answer: dict[str, Any] = json.loads(lines.readline())
                    return answer
        return None

    def control(self, *words: str) -> None:
        """Run maildropctl beside everything else."""
        line = [*command("maildropctl"), "--config", str(self.folder), *words]
        process = subprocess.Popen(
            line,
            cwd=HOME,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._commands.append((list(words), process))

    def ended(self, *, all_of_them: bool = False) -> list[tuple[str, int, str]]:
        """Return words, code and complaint of the commands that have ended."""
        left, ended = [], []
        for words, process in self._commands:
            if process.poll() is None and not all_of_them:
                left.append((words, process))
                continue
            try:
                _, said = process.communicate(timeout=_STOP)
            except subprocess.TimeoutExpired:
                self._books.trouble(f"maildropctl {words} hangs")
                process.kill()
                _, said = process.communicate()
            ended.append((" ".join(words), process.returncode, said))
        self._commands = left
        return ended

    def run(self, name: str, *words: str) -> tuple[int, str]:
        """Run one of our commands to its end; return code and complaint."""
        done = subprocess.run(
            [*command(name), "--config", self.folder, *words],
            cwd=HOME,
            check=False,
            timeout=_STOP,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return done.returncode, done.stderr

    def close(self) -> None:
        """End whatever is left."""
        if self._process is not None:
            self.kill()
        self.ended(all_of_them=True)
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._log.write(line)
                try:
                    event = json.loads(line)
                except ValueError:
                    event = {"MESSAGE": line.decode(errors="replace")}
                kind = self._kinds.get(event.get("MESSAGE_ID", ""), "")
                self._books.told(kind, event)
                if kind == "ServiceReady" and process is self._process:
                    self._ready.set()
        self._log.flush()


def _open_files(folder: bytes) -> set[bytes]:
    found = set()
    with suppress(OSError):  # it has ended
        for name in os.listdir(folder):
            with suppress(OSError):  # closed by now
                found.add(os.readlink(folder + b"/" + name))
    return found
