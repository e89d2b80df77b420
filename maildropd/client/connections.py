# SPDX-License-Identifier: Apache-2.0
"""Connections to the submission socket, kept for the next mail.

One user at a time, taken and given back; a child process forgets its parent's,
since two who speak on one connection would both be misunderstood.
"""

import os
import socket
import struct
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from maildropd.client import dialogue
from maildropd.client.dialogue import Absent, Lost, Replies, Reply
from maildropd.client.values import Door

PIECE = 65_536
_KEPT = 32  # idle ones, of a process
_IDLE = 60.0  # seconds


class Pool:
    """Idle connections of one process to one door, the latest first."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._idle: deque[Connection] = deque()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()

    def take(self) -> "Connection | None":
        """Return one that is good, if there is any."""
        while (one := self._popped()) is not None:
            if time.monotonic() - one.since < _IDLE and one.is_silent:
                return one
            one.close()
        return None

    def give_back(self, one: "Connection") -> None:
        """Keep one for the next mail; of too many, or too old ones, let go."""
        one.since = time.monotonic()
        self._idle.append(one)
        while len(self._idle) > 1:
            oldest = self._idle.popleft()
            if one.since - oldest.since < _IDLE and len(self._idle) < _KEPT:
                self._idle.appendleft(oldest)
                return
            oldest.close()

    def know(self, one: "Connection") -> None:
        """Be able to let go of one, whoever uses it."""
        self._all.add(one)

    def forget(self) -> None:
        """Close everything here: it is the parent's."""
        self._idle.clear()
        for one in list(self._all):
            one.close()

    def _popped(self) -> "Connection | None":
        try:
            return self._idle.pop()
        except IndexError:
            return None


def pool(door: Door, kind: str = "") -> Pool:
    """Return the pool of this process, with one for each kind of user."""
    return _pool(door.run, kind, os.getpid())


@cache
def _pool(run: str, kind: str, process: int) -> Pool:
    del run, kind, process
    found = Pool()
    mine = weakref.ref(found)

    def forget() -> None:
        there = mine()
        if there is not None:
            there.forget()

    os.register_at_fork(after_in_child=forget)
    return found


class Connection:
    """One connection that has been greeted; it blocks."""

    def __init__(self, door: Door) -> None:
        """Connect and say hello; raise ``Absent``, ``Again`` or ``Lost``."""
        self.since = 0.0  # it is idle
        self._replies = Replies()
        self._socket = _connected(f"{door.run}/submission", door.timeout)
        with closed_unless_done(self):
            dialogue.greeting(self.reply())
            self.say(dialogue.HELLO)
            dialogue.hello(self.reply())

    def say(self, octets: bytes) -> None:
        """Send all of it; raise ``Lost``."""
        try:
            self._socket.sendall(octets)
        except OSError as error:
            raise _lost(error) from error

    def reply(self) -> Reply:
        """Return the next reply; raise ``Lost``."""
        while (found := self._replies.next()) is None:
            try:
                octets = self._socket.recv(PIECE)
            except OSError as error:
                raise _lost(error) from error
            if not octets:
                raise Lost("the daemon has hung up")
            self._replies.feed(octets)
        return found

    @property
    def is_silent(self) -> bool:
        """Whether it is open, and nothing was said on it that nobody asked for."""
        try:
            self._socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Hang up; only we do, not whoever shares the descriptor."""
        self._socket.close()


@contextmanager
def closed_unless_done(connection: "Connection") -> Iterator[None]:
    """Close it, whatever comes between: nobody would understand what is next."""
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            connection.close()


def _connected(path: str, timeout: float) -> socket.socket:
    """Return a connection; wait while too many want one."""
    seconds = int(timeout)
    limit = struct.pack("ll", seconds, int((timeout - seconds) * 1_000_000))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not settimeout: it costs another system call for each that waits.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise Absent(f"{path}: {error.strerror or error}") from error
    return connection


def _lost(error: OSError) -> Lost:
    if isinstance(error, BlockingIOError):
        return Lost("the daemon does not answer in time", again=False)
    return Lost(f"the connection is lost ({error.strerror or error})")
