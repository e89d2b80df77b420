# SPDX-License-Identifier: Apache-2.0
"""The server all deliver to: Postfix's smtp-sink, in a network of its own.

Its counter is read as it comes, so that it is known how many messages had come
at any moment; connections are counted as what it has open, ten times a second.
"""

import os
import re
import socket
import subprocess
import threading
import time
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import Self

from bench.delivery.network import SERVER, Network
from bench.sink import PORT, environ
from bench.waiting import TooSlow, until

_COUNTERS = re.compile(rb"mesg=(\d+)\r")
_PACE = 0.1
_BACKLOG = "4096"
_AT_ONCE = "4000"  # connections it serves; its own default is 256


def connect() -> float:
    """Say QUIT to the server; return the seconds until it was connected."""
    begin = time.monotonic()
    with socket.create_connection((SERVER, PORT), 5) as connection:
        took = time.monotonic() - begin
        connection.sendall(b"QUIT\r\n")
        while connection.recv(4096):
            pass
    return took


class Server:
    """One smtp-sink, from enter to exit; each run has a new one."""

    def __init__(self, network: Network, postfix: Path) -> None:
        """Take the root where Postfix is installed."""
        self.connections = 0  # at the most, at once
        self._lock = threading.Lock()
        self._times = [time.monotonic()]  # when there was something new
        self._counts = [0]  # the messages that had come then
        command = [str(postfix / "usr/sbin/smtp-sink"), "-c", "-u", "root"]
        where = ["-m", _AT_ONCE, f"{SERVER}:{PORT}", _BACKLOG]
        self._process = subprocess.Popen(
            network.inside([*command, *where]),
            stdout=subprocess.PIPE,
            cwd="/",
            env=environ(postfix),
        )
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        self._threads[0].start()
        until(self._listens, "smtp-sink listens", limit=20)
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        self._threads[1].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._process.terminate()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def taken(self) -> int:
        """Return how many messages have come until now."""
        with self._lock:
            return self._counts[-1]

    def when(self, count: int) -> float:
        """Return when so many had come; there must have been as many."""
        with self._lock:
            return self._times[bisect_left(self._counts, count)]

    def at(self, moment: float) -> int:
        """Return how many had come at some moment."""
        with self._lock:
            return self._counts[max(bisect_left(self._times, moment) - 1, 0)]

    def last(self) -> float:
        """Return when the last one came."""
        with self._lock:
            return self._times[bisect_left(self._counts, self._counts[-1])]

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise TooSlow("smtp-sink has ended")
        with suppress(OSError):
            connect()
            return True
        return False

    def _watch(self) -> None:
        files = f"/proc/{self._process.pid}/fd"
        own = len(os.listdir(files))
        with suppress(OSError):  # it ends
            while not self._over.wait(_PACE):
                found = len(os.listdir(files))
                own = min(own, found)
                self.connections = max(self.connections, found - own)

    def _read(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while piece := os.read(self._process.stdout.fileno(), 65536):
            now = time.monotonic()
            rest += piece
            messages = 0
            for found in _COUNTERS.finditer(rest):
                messages = int(found[1])
            rest = rest[rest.rfind(b"\r") + 1 :]
            with self._lock:
                if messages > self._counts[-1]:
                    self._times.append(now)
                    self._counts.append(messages)
