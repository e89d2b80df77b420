# SPDX-License-Identifier: Apache-2.0
"""Connections to the submission socket, kept for the next mail.

One user at a time, taken and given back; a child process forgets its parent's,
since two who speak on one connection would both be misunderstood.
"""

import os
import socket
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from maildropd.client.dialogue import Lost, Replies, Reply

_KEPT = 32  # idle ones, of a process
_IDLE = 60.0  # seconds


class Line:
    """An open connection; who speaks on it, and how, is others' business."""

    __slots__ = ("__weakref__", "hello", "replies", "since", "socket")

    def __init__(self, connected: socket.socket) -> None:
        """Take a socket; nothing was said on it yet."""
        self.socket = connected
        self.replies = Replies()
        self.hello = Reply(0, "")  # what the daemon offers
        self.since = 0.0  # it is idle

    @property
    def is_silent(self) -> bool:
        """Whether it is open, and nothing was said on it that nobody asked for."""
        try:
            self.socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Hang up; only we do, not whoever shares the descriptor."""
        self.socket.close()

    def __del__(self) -> None:
        """Hang up at the end of the program, too: a kept one is no leak."""
        self.close()


class Pool:
    """Idle connections of one process to one door, the latest first."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._idle: deque[Line] = deque()
        self._all: weakref.WeakSet[Line] = weakref.WeakSet()

    def take(self) -> Line | None:
        """Return one that is good, if there is any."""
        while (line := self._popped()) is not None:
            if time.monotonic() - line.since < _IDLE and line.is_silent:
                return line
            line.close()
        return None

    def give_back(self, line: Line) -> None:
        """Keep one for the next mail; of too many, or too old ones, let go."""
        line.since = time.monotonic()
        self._idle.append(line)
        while len(self._idle) > 1:
            try:
                oldest = self._idle.popleft()
            except IndexError:
                return  # others were faster
            if line.since - oldest.since < _IDLE and len(self._idle) < _KEPT:
                self._idle.appendleft(oldest)
                return
            oldest.close()

    def know(self, line: Line) -> None:
        """Be able to let go of a new one, whoever uses it."""
        self._all.add(line)

    def forget(self) -> None:
        """Close everything here: it is the parent's."""
        self._idle.clear()
        for line in list(self._all):
            line.close()

    def _popped(self) -> Line | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None


def pool(run: str, kind: str) -> Pool:
    """Return the pool of this process, one for each kind of user."""
    return _pool(run, kind, os.getpid())


@contextmanager
def closed_unless_done(line: Line) -> Iterator[None]:
    """Close it, whatever comes between: nobody would understand what is next."""
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            line.close()


def lost(error: OSError) -> Lost:
    """Return what the loss of a connection means."""
    if isinstance(error, BlockingIOError | TimeoutError):
        return Lost("the daemon does not answer in time", again=False)
    return Lost(f"the connection is lost ({error.strerror or error})")


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
