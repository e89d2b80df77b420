# SPDX-License-Identifier: Apache-2.0
"""An OAuth endpoint on loopback that gives out tokens, or does as it is told."""

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qsl

Reaction = Callable[[socket.socket], None]
"""Say something to who has asked."""


def answer(status: int, body: object, *more: str) -> Reaction:
    """Say this: JSON, or octets as they are."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (f"HTTP/1.1 {status} Words", f"Content-Length: {len(octets)}", *more)
    return raw("\r\n".join((*head, "", "")).encode() + octets)


def raw(octets: bytes) -> Reaction:
    """Say exactly this, and close."""
    return lambda sock: sock.sendall(octets)


class TokenEndpoint:
    """Listens while it is entered; each token it gives has a number."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[dict[str, str]] = []  # the form of each request
        self.heads: list[str] = []
        self.reactions: list[Reaction] = []  # in place of a token, in their order
        self.stopping = threading.Event()
        self.lives: object = 3600
        self.newer = ""  # a refresh token that goes with each token
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        scheme = "https" if tls else "http"
        port = self._listener.getsockname()[1]
        self.url = f"{scheme}://localhost:{port}/token?api=2"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self.stopping.is_set():
            with suppress(OSError):
                sock, _ = self._listener.accept()
                with sock:
                    self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        if self._tls:
            sock = self._tls.wrap_socket(sock, server_side=True)
        with sock, sock.makefile("rb") as said:
            lines = []
            while (line := said.readline()).strip():
                lines.append(line.decode())
            length = next(
                int(line.split(":")[1])
                for line in lines
                if line.lower().startswith("content-length:")
            )
            self.heads.append("".join(lines))
            self.asked.append(dict(parse_qsl(said.read(length).decode())))
            react = self.reactions.pop(0) if self.reactions else self._usual()
            react(sock)

    def _usual(self) -> Reaction:
        said: dict[str, object] = {
            "access_token": f"token-number-{len(self.asked)}",
            "token_type": "Bearer",
            "expires_in": self.lives,
        }
        if self.newer:
            said["refresh_token"] = f"{self.newer}-{len(self.asked)}"
        return answer(200, said)
