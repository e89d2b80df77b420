# SPDX-License-Identifier: Apache-2.0
"""A smarthost that does as it is told, and keeps a ledger of what it took.

``server.on("rcpt", reply("550 5.1.1 no"), matching="bob", times=1)`` replaces
what happens at a stage.  Stages: connect, banner, ehlo, helo, starttls, tls,
auth, mail, rcpt, data, body, dot, rset, noop, quit.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

from tests.fakes.actions import Action, Ended, usual
from tests.fakes.smtp_peer import Manners, SmtpPeer, Taken

EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 26214400", "ENHANCEDSTATUSCODES")


@dataclass(slots=True, kw_only=True)
class Rule:
    """At this stage, if the command holds this text, so many times, do that."""

    stage: str
    action: Action
    matching: str = ""
    times: int | None = None


class SmtpServer:
    """Listens on loopback, or where it is told, while it is entered."""

    def __init__(
        self,
        *,
        extensions: Sequence[str] = EXTENSIONS,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        users: Mapping[str, str] | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Offer these extensions, STARTTLS with a context, AUTH with users."""
        self.manners = Manners(
            extensions=tuple(extensions), tls=tls, implicit=implicit, users=users or {}
        )
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._rules: list[Rule] = []
        self._ledger: list[Taken] = []
        self._heard: list[bytes] = []
        self._connections = self._closed = 0
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._listener = listener or socket.create_server(("127.0.0.1", 0), backlog=100)
        name = self._listener.getsockname()
        self.port: int = 0 if isinstance(name, str) else name[1]

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Cut every connection, and wait for all threads."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            socks, threads = list(self._socks), list(self._threads)
        for sock in socks:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()

    def on(
        self,
        stage: str,
        action: Action,
        *,
        matching: str = "",
        times: int | None = None,
    ) -> None:
        """Replace what happens at a stage; the first rule that fits is used."""
        rule = Rule(stage=stage, action=action, matching=matching, times=times)
        with self._changed:
            self._rules.append(rule)

    def forget(self) -> None:
        """Behave well from now on."""
        with self._changed:
            self._rules.clear()

    def rule(self, stage: str, command: bytes) -> Action:
        """Return what to do now, and count it."""
        with self._changed:
            for rule in self._rules:
                fits = rule.matching.encode().lower() in command.lower()
                if rule.stage == stage and rule.times != 0 and fits:
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.action
        return usual()

    @property
    def ledger(self) -> list[Taken]:
        """Every message whose final dot arrived, in order."""
        with self._changed:
            return list(self._ledger)

    @property
    def delivered(self) -> list[Taken]:
        """The messages that the server took responsibility for."""
        return [taken for taken in self.ledger if taken.kept]

    @property
    def heard(self) -> list[bytes]:
        """Every command line, as it came, of all connections."""
        with self._changed:
            return list(self._heard)

    def verbs(self) -> list[str]:
        """Return the first word of every command."""
        return [
            line.split()[0].decode("latin-1") for line in self.heard if line.split()
        ]

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        with self._changed:
            return self._connections

    @property
    def closed(self) -> int:
        """How many of them have ended."""
        with self._changed:
            return self._closed

    def wait(self, until: Callable[["SmtpServer"], bool], seconds: float = 30) -> None:
        """Wait for something to become true of this server."""
        with self._changed:
            assert self._changed.wait_for(lambda: until(self), seconds)

    def note(self, *, heard: bytes | None = None, taken: Taken | None = None) -> None:
        """Write down what a connection saw."""
        with self._changed:
            if heard is not None:
                self._heard.append(heard)
            if taken is not None:
                self._ledger.append(taken)
            self._changed.notify_all()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._changed:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._connections += 1
                self._socks.append(sock)
                self._changed.notify_all()
            self._start(partial(self._serve, sock))

    def _serve(self, sock: socket.socket) -> None:
        # Replies to pipelined commands are small writes in a row.
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = SmtpPeer(sock, self, self.manners)
        with suppress(Ended, OSError, ValueError):  # ValueError: a closed file
            peer.converse()
        with suppress(OSError):
            peer.sock.close()
        with self._changed:
            self._closed += 1
            self._changed.notify_all()
