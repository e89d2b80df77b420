# SPDX-License-Identifier: Apache-2.0
"""Connections to one UNIX socket: accepted, told apart by user, counted, served.

The kernel says who comes (SO_PEERCRED).  One user cannot lock others out: he
has so many connections at a time, and the last few are root's.  One session
that fails, by whatever bug, ends alone.
"""

import asyncio
import socket
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from maildropd.host.descriptors import Spare
from maildropd.host.peer import Peer
from maildropd.mail.event import Journal
from maildropd.mail.service_events import InternalError

_FOR_ROOT = 8
_SOON = 1.0  # seconds until the next try to accept, out of descriptors
_GRACE = 5.0  # seconds, at a stop, for what has begun
_AT_ONCE = 64  # connections accepted in one go

Serve = Callable[[socket.socket, Peer], Awaitable[None]]
Refuse = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What is behind one socket."""

    name: str
    serve: Serve  # owns the connection, and closes it
    refuse: Refuse  # the words for one who is not served, in the door's form
    stop: Callable[[], None] | None = None  # lets sessions end in their own time


class Crowd:
    """The connections of all doors together, by user."""

    def __init__(self, most: int, limit: Callable[[Peer], int]) -> None:
        """Let in ``most`` at a time, and of each user what ``limit`` says."""
        self.most = most
        self._limit = limit
        self._of: Counter[int | None] = Counter()  # None: users nobody knows
        self._all = 0

    def why_not(self, peer: Peer) -> str:
        """Return why this one is not let in; empty if he is."""
        mine = peer.uid == 0
        if self._all >= self.most + (_FOR_ROOT if mine else 0):
            return "too many connections, try again later"
        if not mine and self._of[peer.uid] >= self._limit(peer):
            return "too many connections of yours, try again later"
        return ""

    def enter(self, peer: Peer) -> None:
        """Count one more."""
        self._all += 1
        self._count(peer.uid, 1)

    def leave(self, peer: Peer) -> None:
        """Count one less."""
        self._all -= 1
        self._count(peer.uid, -1)

    def hand_over(self, whose: int | None, to: int | None, most: int) -> bool:
        """Count a gateway's connection as its client's, unless he has so many."""
        if self._of[to] >= most:
            return False
        self._count(whose, -1)
        self._count(to, 1)
        return True

    def take_back(self, whose: int | None, by: int | None) -> None:
        """Count it as the gateway's again."""
        self._count(whose, -1)
        self._count(by, 1)

    def _count(self, uid: int | None, more: int) -> None:
        self._of[uid] += more
        if not self._of[uid]:
            del self._of[uid]


class Listener:
    """Accepts at one socket, in the main loop."""

    def __init__(
        self, listener: socket.socket, door: Door, crowd: Crowd, journal: Journal
    ) -> None:
        """Take a socket that listens already; it stays open for ``close``."""
        listener.setblocking(False)
        self._listener = listener
        self._door = door
        self._crowd = crowd
        self._journal = journal
        self._spare = Spare(1)
        self._sessions: set[asyncio.Task[None]] = set()
        self._open = False

    def start(self) -> None:
        """Begin to accept."""
        self._open = True
        self._listen()

    async def close(self, patience: float) -> None:
        """Accept no more; end the sessions, those that store first come to an end.

        A socket that systemd holds goes on to listen: who comes now waits.
        """
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._spare.give_up()
        if self._door.stop and self._sessions:
            self._door.stop()
            await asyncio.wait(self._sessions, timeout=_GRACE)
        for session in self._sessions:
            session.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=patience)

    def _listen(self) -> None:
        if self._open:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._turn_away()
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            peer = Peer.of(connection)
        except OSError:
            connection.close()
            return
        if why := self._crowd.why_not(peer):
            self._send_away(connection, why)
            return
        self._crowd.enter(peer)
        session = self._session(connection, peer)
        task = asyncio.get_running_loop().create_task(session)
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _session(self, connection: socket.socket, peer: Peer) -> None:
        try:
            await self._door.serve(connection, peer)
        except Exception as error:  # noqa: BLE001 (one session ends, no other does)
            trace = "".join(traceback.format_exception(error))
            where = f"a session at {self._door.name}"
            self._journal.emit(
                InternalError(where=where, error=repr(error), traceback=trace)
            )
        finally:
            self._crowd.leave(peer)

    def _turn_away(self) -> None:
        """Out of descriptors: say so with the one that was spared for this."""
        self._spare.give_up()
        try:
            connection, _ = self._listener.accept()
            self._send_away(connection, "no file descriptors left, try again later")
        except OSError:  # somebody else of us was faster; the next try is soon
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(_SOON, self._listen)
        self._spare.take()

    def _send_away(self, connection: socket.socket, why: str) -> None:
        with connection:
            connection.setblocking(False)
            try:
                connection.send(self._door.refuse(why))
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65_536)  # unread octets would take our words back
            except OSError:
                return
