# SPDX-License-Identifier: Apache-2.0
"""The smarthosts: Postfix's smtp-sink for many mails, a small one of ours for single.

smtp-sink answers as fast as a server can and counts; ours notes when each
final dot came.
"""

import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from bench.waiting import TooSlow, until

PORT = 2525
BACKLOG = "1000"


class Sink:
    """smtp-sink, from a root where Postfix is installed."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._counts = folder / "sink"
        program = root / "usr/sbin/smtp-sink"
        with self._counts.open("wb") as file:
            self._process = subprocess.Popen(
                # -c: write the counters after each message.
                [program, "-c", "-u", "root", f"127.0.0.1:{PORT}", BACKLOG],
                stdout=file,
                cwd="/",
                env=environ(root),
            )
        until(self._listens, "smtp-sink listens")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise TooSlow("smtp-sink has ended")
        with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
            return True
        return False

    def taken(self) -> int:
        """Return how many messages it has taken until now."""
        with self._counts.open("rb") as file:
            with suppress(OSError):
                file.seek(-80, 2)
            last = file.read().split(b"\r")
        return int(last[-2].rpartition(b"=")[2]) if len(last) > 1 else 0


def environ(root: Path) -> Mapping[str, str]:
    """Return what a program of Postfix's needs outside its root."""
    libraries = (root / "usr/lib/postfix", root / "usr/lib/x86_64-linux-gnu")
    return {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class Clocked:
    """A small server for one mail at a time; it notes when each final dot came."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._times: list[float] = []
        self._listener = socket.create_server(("127.0.0.1", PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for(self, count: int) -> float:
        """Wait for mail number so and so; return when its final dot came."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._times) >= count, 30):
                raise TimeoutError(f"mail {count} did not come within 30 s")
            return self._times[count - 1]

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with peer, suppress(OSError), peer.makefile("rb") as lines:
            peer.sendall(b"220 sink ESMTP\r\n")
            for line in lines:
                verb = line[:4].upper()
                if verb == b"DATA":
                    peer.sendall(b"354 go on\r\n")
                    for text in lines:
                        if text == b".\r\n":
                            break
                    self._note(time.monotonic())
                elif verb == b"EHLO":
                    peer.sendall(b"250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
                    continue
                peer.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n")

    def _note(self, at: float) -> None:
        with self._arrived:
            self._times.append(at)
            self._arrived.notify_all()
