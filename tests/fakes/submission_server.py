# SPDX-License-Identifier: Apache-2.0
"""A submission socket that answers as it is told, and hangs up where it is told."""

import hashlib
import re
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_KEY = re.compile(rb"XKEY=(\w+)")
_DIGEST = re.compile(rb"XSHA256=(\w+)")
OK = b"250 2.0.0 ok"


@dataclass
class Session:
    """What one client said."""

    commands: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)


class SubmissionServer:
    """Listens in a folder, each client in a thread, until ``close``."""

    def __init__(self, run: Path, *, xdata: bool = False) -> None:
        run.mkdir(exist_ok=True)
        self.xdata = xdata  # it takes all of a mail at once
        self.replies: dict[bytes, bytes] = {}  # beginning of a command: the reply
        self.octets: int | None = None  # hang up when so many have come
        self.said: int | None = None  # or when so many replies are given
        self.silent = False  # to the final dot
        self.fell_silent = threading.Event()
        self.sessions: list[Session] = []
        self.stored: dict[bytes, bytes] = {}  # by key
        self.digests: list[bytes] = []
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(run / "submission"))
        self._listener.listen(64)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(20)

    def hang_up(self) -> None:
        """Close all connections, as a daemon that stops."""
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is gone

    def _start(self, work: object, *values: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=values, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = Session()
        self.sessions.append(session)
        talk = _Talk(self, connection, session)
        with connection:
            try:
                talk.run()
            except (OSError, _Cut):
                return


class _Cut(Exception):
    """It is time to hang up."""


class _Talk:
    def __init__(
        self, server: SubmissionServer, connection: socket.socket, session: Session
    ) -> None:
        self._server = server
        self._connection = connection
        self._session = session
        self._held = b""
        self._heard = self._said = 0
        self._refused = False

    def run(self) -> None:
        self._say(b"", b"220 test ESMTP")
        key = b""
        while command := self._until(b"\r\n"):
            self._session.commands.append(command)
            if found := _KEY.search(command):
                key = found[1]
            self._server.digests += _DIGEST.findall(command)
            if command.startswith(b"MAIL"):
                self._refused = False
            if command.startswith(b"XDATA "):
                self._take(key, self._counted(int(command[6:])))
            elif command == b"DATA":
                if self._say(command, b"354 go on").startswith(b"354"):
                    self._take(key, self._dotted())
            else:
                hello = b"250-test\r\n250 XDATA" if self._server.xdata else OK
                reply = self._say(command, hello if command[:4] == b"EHLO" else OK)
                self._refused |= not reply.startswith(b"250")

    def _dotted(self) -> bytes:
        content = (b"\r\n" + self._until(b"\r\n.\r\n") + b"\r\n")[2:]
        return (b"\r\n" + content).replace(b"\r\n.", b"\r\n")[2:]

    def _counted(self, size: int) -> bytes:
        while len(self._held) < size:
            self._held += self._more()
        found, self._held = self._held[:size], self._held[size:]
        return found

    def _take(self, key: bytes, content: bytes) -> None:
        self._session.contents.append(content)
        default = b"250 2.0.0 ok, queued as 4XK2"
        if self._server.xdata:
            default = self._server.replies.get(b"DATA", default)
            default = b"554 5.0.0 not all" if self._refused else default
        reply = self._server.replies.get(b".", default)
        if reply.startswith(b"250"):
            self._server.stored[key] = content
        if self._server.silent:
            self._server.fell_silent.set()
            self._until(b"never")
        self._say(b".", default)

    def _say(self, command: bytes, default: bytes) -> bytes:
        if self._said == self._server.said:
            raise _Cut
        self._said += 1
        reply = next(
            (
                text
                for start, text in self._server.replies.items()
                if command.startswith(start) and (start or not command)
            ),
            default,
        )
        self._connection.sendall(reply + b"\r\n")
        return reply

    def _until(self, end: bytes) -> bytes:
        while (at := self._held.find(end)) < 0:
            self._held += self._more()
        found, self._held = self._held[:at], self._held[at + len(end) :]
        return found

    def _more(self) -> bytes:
        most = 65_536
        if self._server.octets is not None:
            most = min(most, self._server.octets - self._heard)
            if most <= 0:
                raise _Cut
        piece = self._connection.recv(most)
        if not piece:
            raise _Cut
        self._heard += len(piece)
        return piece


def digest(content: bytes) -> bytes:
    """Return what XSHA256 says of a content."""
    return hashlib.sha256(content).hexdigest().encode()
