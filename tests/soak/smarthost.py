# SPDX-License-Identifier: Apache-2.0
"""A smarthost with moods, which remembers digests instead of contents."""

import socket
import threading
from contextlib import suppress
from email import message_from_bytes
from functools import partial
from random import Random
from time import monotonic
from typing import Self

from tests.fakes.actions import Action, Ended, Peer, usual
from tests.fakes.smtp_peer import Manners, SmtpPeer
from tests.fakes.smtp_peer import Taken as Message
from tests.soak.books import Books, Report, Taken
from tests.soak.letters import KEY, digest
from tests.soak.moods import Habit, habits

_EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 26214400", "ENHANCEDSTATUSCODES")
_REPORT = b"\r\nContent-Type: multipart/report;"
_MANNERS = Manners(extensions=_EXTENSIONS, tls=None, implicit=False, users={})


class Smarthost:
    """Listens on one port, now and then, while it is entered."""

    def __init__(self, name: str, seed: int, books: Books) -> None:
        """Be known by this name, and write down in these books."""
        self.stopping = threading.Event()
        self.name = name
        self._books = books
        self._dice = Random(f"{seed}/{name}")
        self._habits: tuple[Habit, ...] = ()
        self._lock = threading.Lock()
        self._peers: dict[threading.Thread, socket.socket] = {}
        self._since: dict[int, float] = {}  # by thread
        self._rejecting: set[int] = set()  # threads that have just refused a dot
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> Self:
        """Begin to serve."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut every connection, and wait for all threads."""
        self.stopping.set()
        self.close()
        with self._lock:
            peers = dict(self._peers)
        for thread, sock in peers.items():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    def open(self) -> None:
        """Listen, always on the same port."""
        if self._listener is None:
            listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
            self.port, self._listener = listener.getsockname()[1], listener
            accept = partial(self._accept, listener)
            threading.Thread(target=accept, daemon=True).start()

    def close(self) -> None:
        """Refuse connections; those there are stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def feel(self, mood: str) -> None:
        """Change the mood."""
        self._habits = habits(mood)

    def rule(self, stage: str, command: bytes) -> Action:
        """Return what to do now."""
        for habit in self._habits:
            if habit.stage == stage and not (stage == "mail" and b"<>" in command):
                with self._lock:
                    chosen = self._dice.random() < habit.chance
                if chosen:
                    return self._watched(habit, command)
        return usual()

    def note(self, *, heard: bytes | None = None, taken: Message | None = None) -> None:
        """Write down what a connection saw."""
        if taken is None:
            return
        thread = threading.get_ident()
        if thread in self._rejecting:
            self._rejecting.discard(thread)
            self._books.refuse(taken.recipients)
        if taken.kept and _REPORT in taken.content[:4096]:
            self._books.reported(_report(taken))
        elif taken.kept:
            found = KEY.search(taken.content[:4096])
            message = Taken(
                at=monotonic(),
                since=self._since[thread],
                key=found[1].decode() if found else "",
                sender=taken.mail.partition(b"<")[2].partition(b">")[0].decode(),
                recipients=taken.recipients,
                digest=digest(taken.content),
                server=self.name,
            )
            self._books.took(message)

    def _watched(self, habit: Habit, command: bytes) -> Action:
        """Have a refusal for good written down before it is said."""
        if not habit.for_good:
            return habit.action
        if habit.stage == "rcpt":
            path = command.decode("latin-1").partition("<")[2].rpartition(">")[0]
            self._books.refuse((path,))
            return habit.action

        def reject(peer: Peer) -> None:
            self._rejecting.add(threading.get_ident())
            habit.action(peer)

        return reject

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._serve, args=(sock, monotonic()), daemon=True
            )
            with self._lock:
                self._peers[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket, since: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.get_ident()
        self._since[thread] = since
        with suppress(Ended, OSError, ValueError):  # ValueError: a closed file
            SmtpPeer(sock, self, _MANNERS).converse()
        self._rejecting.discard(thread)
        with suppress(OSError):
            sock.close()
        with self._lock:
            del self._peers[threading.current_thread()]


def _report(taken: Message) -> Report:
    """Read a report as a program would."""
    found = message_from_bytes(taken.content)
    groups = [
        one for part in found.walk() for one in part.get_all("Final-Recipient", ())
    ]
    key = KEY.search(taken.content)
    return Report(
        name=str(found["Message-ID"]),
        key=key[1].decode() if key else "",
        to=taken.recipients,
        recipients=tuple(one.partition("; ")[2] for one in groups),
    )
