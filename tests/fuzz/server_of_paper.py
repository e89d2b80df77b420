# SPDX-License-Identifier: Apache-2.0
"""A server that is a string of octets, and a plain reader of what they mean."""

import re
import socket
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple, cast

from maildropd.relay.wire import Wire
from tests.fakes.clock import FakeClock
from tests.fakes.relay import alive

_REPLY = re.compile(rb"([2-5]\d\d)(?:([\s-])(.*))?", re.DOTALL)
_MOST_LINES = 100


class PaperServer:
    """Stands in for a socket: what it says is cut as it was told."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._given = b""
        self._asked = 1  # the greeting needs no question
        self._data_is_next = False
        self.heard = bytearray()

    def recv(self, size: int) -> bytes:
        piece = next(self._pieces, b"")
        assert len(piece) <= size
        self._given += piece
        return piece

    def sendall(self, octets: bytes) -> None:
        """Hear what is said; nothing may be, once there was an answer too many."""
        codes = [code for code, _ in replies(self._given)]
        assert len(codes) <= self._asked, "an answer is taken for another's"
        is_content = self._data_is_next and 300 <= codes[-1] < 400
        self._asked += 1 if is_content else octets.count(b"\r\n")
        self._data_is_next = octets.endswith(b"DATA\r\n")
        self.heard += octets

    def settimeout(self, limit: float | None) -> None:
        """It never lets anybody wait."""

    def close(self) -> None:
        """Nothing is open."""


class Call(NamedTuple):
    """A wire, and the server at its other end."""

    wire: Wire
    server: PaperServer


def call(pieces: Iterable[bytes], *extensions: str) -> Call:
    """Connect to a server that offers these extensions."""
    server = PaperServer(pieces)
    wire = Wire("client.example", FakeClock(), alive)
    wire.step("test", timedelta(seconds=5))
    wire.sock = cast(socket.socket, server)  # it is all that is asked of one
    wire.esmtp_features = dict.fromkeys(extensions, "")
    return Call(wire, server)


def replies(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Read one reply after the other, up to what is none."""
    lines: list[tuple[int, bytes]] = []
    for line in octets.split(b"\n")[:-1]:
        found = _REPLY.fullmatch(line)
        if not found:
            return
        code = int(found[1])
        if lines and code // 100 != lines[0][0] // 100:
            return
        lines.append((code, (found[3] or b"")[:4092].strip()))
        if found[2] != b"-":
            yield code, b"\n".join(said for _, said in lines)
            lines = []
        elif len(lines) == _MOST_LINES:
            return


class Offered(NamedTuple):
    """A message that reached its final dot."""

    content: bytes
    recipients: frozenset[bytes]  # that were accepted
    code: int | None  # the answer to the dot, if there was one


def ledger(said: bytes, heard: bytes) -> tuple[list[Offered], list[int]]:
    """Return what the server was offered to the end, and the code of each answer.

    Answers are matched with commands one by one; the first one is the greeting.
    """
    codes = [code for code, _ in replies(said)]
    answers = iter(codes[1:])
    offered: list[Offered] = []
    accepted: set[bytes] = set()
    is_open = False
    at = 0
    while at < len(heard):
        line, _, _ = heard[at:].partition(b"\r\n")
        at += len(line) + 2
        code = next(answers, None)
        verb = line[:4].upper()
        if verb in (b"MAIL", b"RSET", b"EHLO", b"HELO"):
            assert not (verb == b"MAIL" and is_open), "a transaction within another"
            is_open = verb == b"MAIL" and code is not None and code < 300
            accepted = set()
        elif verb == b"RCPT" and code and code < 300:
            accepted.add(line)
        elif verb == b"DATA" and code and 300 <= code < 400 and at < len(heard):
            content, end, _ = (b"\r\n" + heard[at:]).partition(b"\r\n.\r\n")
            at += len(content) - 2 + len(end)
            is_open = False
            if end:
                answer = next(answers, None)
                offered.append(Offered(content, frozenset(accepted), answer))
    return offered, codes
