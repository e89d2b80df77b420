# SPDX-License-Identifier: Apache-2.0
"""The daemon's end of sendmail's sockets, as docs/SUBMISSION.md has it, and worse.

It takes frames apart by itself: the daemon's own reader is not what a client is
held to.  Each connection gets the next act of a list, and the last one again.
"""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a client carries; not whole, if it was cut off."""

    key: str
    words: tuple[bytes, ...]
    content: bytes
    is_whole: bool

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """Take octets apart; raise ``ValueError`` if they are no frame."""
        magic, key, count, rest = octets.split(b"\0", 3)
        *words, rest = rest.split(b"\0", int(count))
        if magic != b"#!sendmail" or len(words) != int(count) or len(key) != 32:
            raise ValueError(octets[:200])
        content, is_whole, at = bytearray(), False, 0
        while at < len(rest) and not is_whole:
            mark = rest.find(b"\n", at)
            end = mark if mark >= 0 else len(rest)
            length, start = int(rest[at:end]), end + 1
            is_whole = length == 0 and mark >= 0
            content += rest[start : start + length]
            at = start + length
        if rest[at:]:
            raise ValueError(rest[at : at + 200])
        return cls(
            key=bytes.fromhex(key.decode()).hex(),
            words=tuple(words),
            content=bytes(content),
            is_whole=is_whole,
        )


class Caller:
    """One client that has come in, and what it said so far."""

    def __init__(self, sock: socket.socket, changed: threading.Condition) -> None:
        self.sock = sock
        self.heard = bytearray()
        self.has_shut = False  # its side, for writing
        self.is_over = False
        self._changed = changed

    @property
    def frame(self) -> Frame:
        return Frame.read(bytes(self.heard))

    def hear(self) -> bool:
        """Hear something more; false at the end."""
        octets = self.sock.recv(1 << 20)
        with self._changed:
            self.heard += octets
            self.has_shut = not octets
            self._changed.notify_all()
        return bool(octets)

    def hear_all(self) -> None:
        while self.hear():
            pass

    def say(self, octets: bytes) -> None:
        self.sock.sendall(octets)


Act = Callable[[Caller], None]


def answer(octets: bytes) -> Act:
    """Hear all, and say this."""

    def act(caller: Caller) -> None:
        caller.hear_all()
        caller.say(octets)

    return act


def answer_early(octets: bytes, after: bytes) -> Act:
    """Say this once so much was heard, and pass over what still comes."""

    def act(caller: Caller) -> None:
        while after not in caller.heard and caller.hear():
            pass
        caller.say(octets)
        caller.sock.shutdown(socket.SHUT_WR)
        caller.hear_all()

    return act


def answer_slowly(octets: bytes) -> Act:
    """Say it octet by octet."""

    def act(caller: Caller) -> None:
        caller.hear_all()
        for octet in octets:
            caller.say(bytes([octet]))

    return act


def answer_and_go(octets: bytes) -> Act:
    """Hear a little, say this, and close: what is still sent has no reader."""

    def act(caller: Caller) -> None:
        caller.hear()
        caller.say(octets)

    return act


def hang_up(after: bytes = b"") -> Act:
    """Close once so much was heard."""

    def act(caller: Caller) -> None:
        while after not in caller.heard and caller.hear():
            pass

    return act


def reset() -> Act:
    """Close while something waits to be heard."""

    def act(caller: Caller) -> None:
        caller.sock.recv(1, socket.MSG_PEEK)

    return act


def say_nothing(*, hear: bool = True) -> Act:
    """Keep the client waiting until it goes, or we do."""

    def act(caller: Caller) -> None:
        if hear:
            caller.hear_all()
        watch = select.poll()
        watch.register(caller.sock, 0)  # only of its end, or ours
        watch.poll(DEADLINE * 1000)

    return act


class SendmailDaemon:
    """Listens at a path while it is entered."""

    def __init__(self, path: Path, *acts: Act) -> None:
        self._acts = acts
        self._changed = threading.Condition()
        self._callers: list[Caller] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(100)
        path.chmod(0o666)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for caller in self.callers:
            with suppress(OSError):
                caller.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive()

    @property
    def callers(self) -> list[Caller]:
        with self._changed:
            return list(self._callers)

    @property
    def frames(self) -> list[Frame]:
        """What was heard of each connection that said anything."""
        return [caller.frame for caller in self.callers if caller.heard]

    def wait(self, until: Callable[[list[Caller]], bool]) -> None:
        """Wait for something to become true of those who came."""
        with self._changed:
            assert self._changed.wait_for(lambda: until(self._callers), DEADLINE)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            caller = Caller(sock, self._changed)
            with self._changed:
                act = self._acts[min(len(self._callers), len(self._acts) - 1)]
                self._callers.append(caller)
                self._changed.notify_all()
            self._start(partial(self._serve, caller, act))

    def _serve(self, caller: Caller, act: Act) -> None:
        with caller.sock, suppress(OSError):
            act(caller)
        with self._changed:
            caller.is_over = True
            self._changed.notify_all()
