# SPDX-License-Identifier: Apache-2.0
"""The real daemon as a process, in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HOME = Path(__file__).resolve().parents[2]
DEADLINE = 30.0
_GLANCE = 0.2  # seconds


def command(name: str) -> list[str]:
    """Return how to run one of our commands from the checkout."""
    code = f"import sys; from maildropd.cli.{name} import main; sys.exit(main())"
    return [sys.executable, "-c", code]


class DaemonProcess:
    """One folder, and the daemon that is started on it, again and again."""

    def __init__(self, folder: Path, port: int, config: str = "") -> None:
        self.folder = folder
        self.drop = folder / "drop"
        self.drop.mkdir(exist_ok=True)
        self.events: list[dict[str, str]] = []
        self._ids = ids()
        self._by_id: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        self._came = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.within: list[str] = []  # a command that runs it, as setpriv does
        self.port = port
        self.environment: dict[str, str] = {}  # of the daemon, and of maildropctl
        self.configure(config)

    def configure(self, config: str = "") -> None:
        """Write the configuration file."""
        common = (
            "[relay smarthost]\n"
            f"host = 127.0.0.1\nport = {self.port}\ntls = none\n"
            "[spool drop]\nsettle_time = 0\n"
        )
        (self.folder / "maildropd.conf").write_text(common + config)

    def start(self, **environment: str) -> Self:
        """Start it, and return once it is ready."""
        self._process = subprocess.Popen(
            [
                *self.within,
                *command("maildropd"),
                *("--config", self.folder, "--log-format", "json"),
            ],
            cwd=HOME,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment, **environment},
        )
        ready = len(self.of("ServiceReady"))
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), daemon=True
        )
        self._reader.start()
        self.wait_for("ServiceReady", ready + 1)
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon that we started, and to no other."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end, and until all that it said is here; return its code."""
        assert self._process is not None
        code = self._process.wait(DEADLINE)
        if self._reader is not None:
            self._reader.join(DEADLINE)
            assert not self._reader.is_alive(), "somebody else holds its stderr"
        return code

    def stop(self) -> int:
        """End it as systemd would, if it runs."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def control(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run maildropctl."""
        return subprocess.run(
            [*command("maildropctl"), "--config", self.folder, *words],
            cwd=HOME,
            env={**os.environ, **self.environment},
            check=False,
            timeout=DEADLINE,
            capture_output=True,
            text=True,
        )

    def another(self) -> subprocess.CompletedProcess[str]:
        """Try to start a second daemon on the same folder."""
        return subprocess.run(
            [
                *self.within,
                *command("maildropd"),
                *("--config", self.folder, "--log-format", "text"),
            ],
            cwd=HOME,
            check=False,
            timeout=DEADLINE,
            capture_output=True,
            text=True,
        )

    def put(self, name: str, content: bytes) -> None:
        """Leave a file in the drop: written aside, renamed in."""
        aside = self.drop / f".{name}"
        aside.write_bytes(content)
        aside.rename(self.drop / name)

    def of(self, event: str) -> list[dict[str, str]]:
        """Return the events of one kind so far, by the class's name."""
        with self._came:
            return list(self._by_id[self._ids[event]])

    def count(self, event: str) -> int:
        """Return how many events of one kind have come; quick, for floods."""
        return len(self._by_id[self._ids[event]])

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, str]]:
        """Wait until so many events of one kind have come."""
        self.until(lambda: self.count(event) >= count, f"{count} {event}")
        return self.of(event)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; looked at after each event, and now and then.

        Of a file that goes, or of a server's ledger, no event tells.
        """
        end = time.monotonic() + DEADLINE
        with self._came:
            while not holds():
                assert time.monotonic() < end, (
                    f"no {what} within {DEADLINE} s; last: "
                    + "\n".join(each["MESSAGE"] for each in self.events[-20:])
                )
                self._came.wait(_GLANCE)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                event = _parsed(line)
                with self._came:
                    self.events.append(event)
                    self._by_id[event["MESSAGE_ID"]].append(event)
                    self._came.notify_all()


def ids() -> dict[str, str]:
    """Return the id of each event's class."""
    found: dict[str, str] = {}
    for module in (HOME / "maildropd" / "mail").glob("*events.py"):
        text = module.read_text()
        pattern = r'class (\w+)\(Event\):.*?event_id: ClassVar\[str\] = "(\w+)"'
        found |= dict(re.findall(pattern, text, re.DOTALL))
    return found


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"MESSAGE": line.decode(errors="replace").rstrip(), "MESSAGE_ID": ""}
    return event
