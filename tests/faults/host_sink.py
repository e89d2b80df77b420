# SPDX-License-Identifier: Apache-2.0
"""A smarthost that takes large mail fast, and keeps its digest only."""

import hashlib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_DOT = b"\r\n.\r\n"


class Sink:
    """Listens on loopback while it is entered."""

    def __init__(self, pause: float = 0.0) -> None:
        """Wait so long before each reply to a message."""
        self.taken: Counter[str] = Counter()
        self._pause = pause
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.close()

    def wait(self, mails: int, seconds: float) -> None:
        """Wait until so many different mails were taken."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.taken) >= mails, seconds), (
                f"{len(self.taken)} of {mails}"
            )

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(
                    target=self._serve, args=(client,), daemon=True
                ).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), client.makefile("rb") as lines:
            client.sendall(b"220 sink\r\n")
            for line in lines:
                match line[:4].upper():
                    case b"EHLO":
                        client.sendall(b"250-sink\r\n250 SIZE 30000000\r\n")
                    case b"DATA":
                        client.sendall(b"354 go on\r\n")
                        digest = _digest(lines.read1)
                        self._stopping.wait(self._pause)
                        self._note(digest)
                        client.sendall(b"250 2.0.0 taken\r\n")
                    case b"QUIT":
                        client.sendall(b"221 bye\r\n")
                        return
                    case _:
                        client.sendall(b"250 2.0.0 ok\r\n")

    def _note(self, digest: str) -> None:
        with self._changed:
            self.taken[digest] += 1
            self._changed.notify_all()


def _digest(read: Callable[[int], bytes]) -> str:
    """Read up to the final dot; the client waits there, so nothing follows."""
    found, tail = hashlib.sha256(), b""
    while not tail.endswith(_DOT):
        piece = tail + read(1 << 20)
        if piece == tail:
            raise ConnectionError
        found.update(piece[: -len(_DOT)])
        tail = piece[-len(_DOT) :]
    return found.hexdigest()
