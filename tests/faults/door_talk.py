# SPDX-License-Identifier: Apache-2.0
"""A neighbour at a door: what he says is octets, and so is what he hears."""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PATIENCE = 30.0
HELLO = b"EHLO neighbour.test\r\n"
_ALL_OF_IT = 1 << 20


class Talk:
    """One connection, on which something is said and something heard."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def say(self, octets: bytes) -> None:
        """Say it; who has been hung up on says it in vain."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(octets)

    def hurry(self, octets: bytes, most: int) -> None:
        """Say it again and again, and hear nothing, until nobody takes any more."""
        self._connection.settimeout(1)
        with suppress(OSError):
            for _ in range(most // len(octets)):
                self._connection.sendall(octets)

    def is_over(self) -> bool:
        """Tell whether the other side has hung up; what it said is kept."""
        self._connection.setblocking(False)
        try:
            while self._more():
                pass
        except BlockingIOError:
            return False
        finally:
            self._connection.settimeout(PATIENCE)
        return True

    def stop(self) -> None:
        """Say no more, and go on listening."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def break_off(self) -> None:
        """Go as a client does that is killed with octets unread."""
        if self._connection.family != socket.AF_UNIX:
            linger = struct.pack("ii", 1, 0)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def reply(self) -> str:
        """Return the last line of the next reply; nothing at the end of all."""
        while True:
            line, end, rest = self._heard.partition(b"\r\n")
            if end:
                self._heard = rest
                if line[3:4] != b"-":
                    return line.decode("ascii")
            elif not self._more():
                return ""

    def replies(self, number: int) -> list[str]:
        """Return so many replies."""
        return [self.reply() for _ in range(number)]

    def asked(self, octets: bytes) -> str:
        """Say something; return the reply."""
        self.say(octets)
        return self.reply()

    def rest(self) -> list[str]:
        """Return all replies until the end."""
        return list(iter(self.reply, ""))

    def all_of_it(self) -> bytes:
        """Return what is said until the end."""
        while self._more():
            pass
        return self._heard

    def _more(self) -> bool:
        try:
            piece = self._connection.recv(_ALL_OF_IT)
        except ConnectionResetError:
            return False
        self._heard += piece
        return bool(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What a neighbour wants to be sent."""

    content: bytes
    to: Sequence[bytes] = (b"bob@example.net",)
    sender: bytes = b"app@example.org"
    more: bytes = b""  # behind MAIL FROM:<...>
    options: Sequence[bytes] = (b"-i",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it, in the words of the door."""

    accepted: bool
    words: str


def envelope(mail: Mail) -> bytes:
    """Return the commands before the content."""
    path = b"MAIL FROM:<%s>%s\r\n" % (mail.sender, mail.more)
    return path + b"".join(b"RCPT TO:<%s>\r\n" % one for one in mail.to)


def by_smtp(talk: Talk, mail: Mail) -> Answer:
    """Hand mail over by SMTP; the first refusal is the answer."""
    talk.reply()
    talk.say(HELLO + envelope(mail))
    said = talk.replies(2 + len(mail.to))
    refused = [line for line in said if not line.startswith("2")]
    if not refused:
        refused = [talk.asked(b"DATA\r\n")]
        if refused[0].startswith("354"):
            refused = [talk.asked(stuffed(mail.content) + b".\r\n")]
    return Answer(accepted=refused[0].startswith("250 "), words=refused[0])


def stuffed(content: bytes) -> bytes:
    """Return content as a client sends it that is honest."""
    content = content if content.endswith(b"\r\n") else content + b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]


def frame(*words: bytes, content: bytes = b"", key: str = "") -> bytes:
    """Return what a client of sendmail carries."""
    key = key or os.urandom(16).hex()
    head = [b"#!sendmail", key.encode(), b"%d" % len(words), *words, b""]
    chunk = b"%d\n%b" % (len(content), content) if content else b""
    return b"\0".join(head) + chunk + b"0\n"


def by_sendmail(talk: Talk, mail: Mail) -> Answer:
    """Hand mail over as sendmail does."""
    words = [b"sendmail", b"-f", mail.sender, *mail.options, b"--", *mail.to]
    return told(talk, frame(*words, content=mail.content))


def told(talk: Talk, octets: bytes) -> Answer:
    """Carry a frame, or what is none; return what the daemon says."""
    talk.say(octets)
    talk.stop()
    words = talk.all_of_it().decode()
    assert words.partition(" ")[0].isdigit(), f"no code: {words!r}"
    return Answer(accepted=words.startswith("0 "), words=words)


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Be somebody else, to the kernel: what is connected now is his."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)
