# SPDX-License-Identifier: Apache-2.0
"""The smarthost of all: Postfix's smtp-sink, with a look at when each mail came."""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

from bench.sink import BACKLOG, PORT, environ

_LIMIT = 60.0


class Smarthost:
    """It answers as fast as a server can; we read its counter."""

    def __init__(self, postfix: Path) -> None:
        """Start smtp-sink from a root where Postfix is installed."""
        self._came = threading.Condition()
        self._times: list[float] = []
        self._process = subprocess.Popen(
            # -c: write the counters after each message.
            [
                postfix / "usr/sbin/smtp-sink",
                "-c",
                "-u",
                "root",
                f"127.0.0.1:{PORT}",
                BACKLOG,
            ],
            stdout=subprocess.PIPE,
            cwd="/",
            env=environ(postfix),
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def taken(self) -> int:
        """Return how many messages it has taken until now."""
        with self._came:
            return len(self._times)

    def wait_for(self, count: int) -> float:
        """Wait for message number so and so; return when it was taken."""
        with self._came:
            if not self._came.wait_for(lambda: len(self._times) >= count, _LIMIT):
                raise TimeoutError(f"message {count} did not come in {_LIMIT:g} s")
            return self._times[count - 1]

    def _read(self) -> None:
        assert self._process.stdout is not None
        while line := os.read(self._process.stdout.fileno(), 65536):
            now = time.monotonic()
            # "sess=3 quit=2 mesg=3", and a carriage return; a piece may be cut.
            last = line.rpartition(b"\r")[0].rpartition(b"=")[2]
            if last.isdigit():
                with self._came:
                    self._times += [now] * (int(last) - len(self._times))
                    self._came.notify_all()
