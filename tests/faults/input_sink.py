# SPDX-License-Identifier: Apache-2.0
"""A smarthost that takes a hundred thousand mails, and checks each as it comes."""

import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import Self

_EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"


class Sink:
    """Take mail as long as it is entered; ``taken`` counts by recipient."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self.taken: Counter[bytes] = Counter()
        self.wrong: list[bytes] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for(self, path: bytes, seconds: float) -> bool:
        """Wait for the mail to one recipient; tell whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: path in self.taken, seconds)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.SOL_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rwb") as file:
            file.write(b"220 sink\r\n")
            file.flush()
            path = b""
            while line := file.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    path = line[line.index(b"<") + 1 : line.rindex(b">")]
                file.write(_EHLO if verb == b"EHLO" else _answer(verb))
                if verb == b"DATA":
                    file.flush()
                    self._take(path, _content(file.readline))
                    file.write(b"250 taken\r\n")
                if verb not in {b"MAIL", b"RCPT"}:
                    file.flush()

    def _take(self, path: bytes, content: list[bytes]) -> None:
        with self._changed:
            self.taken[path] += 1
            if content != [b"Subject: " + path + b"\r\n", b"\r\n", b"A line.\r\n"]:
                self.wrong.append(path)
            self._changed.notify_all()


def _answer(verb: bytes) -> bytes:
    return b"354 go on\r\n" if verb == b"DATA" else b"250 ok\r\n"


def _content(readline: object) -> list[bytes]:
    assert callable(readline)
    return list(iter(readline, b".\r\n"))
