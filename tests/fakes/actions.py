# SPDX-License-Identifier: Apache-2.0
"""What a scripted server may do instead of the usual: lie, stall, break off."""

import itertools
import socket
import struct
from collections.abc import Callable
from typing import Protocol


class Ended(Exception):
    """The server has closed this connection."""


class Peer(Protocol):
    """The server's end of one connection."""

    sock: socket.socket

    def send(self, octets: bytes) -> None:
        """Send; raise ``Ended`` when the client has gone."""
        ...

    def flush(self) -> None:
        """Let go out what was said."""
        ...

    def pause(self, seconds: float) -> None:
        """Let time pass; raise ``Ended`` when the server stops meanwhile."""
        ...

    def usual(self) -> None:
        """Do what a well-behaved server does at this stage."""
        ...

    def taken(self) -> None:
        """Keep the message whose final dot has come, without a word."""
        ...


Action = Callable[[Peer], None]
_PIECE = 50_000


def usual() -> Action:
    """Behave well."""
    return lambda peer: peer.usual()


def keep() -> Action:
    """At ``dot``: take the message, and leave the answer to what comes next."""
    return lambda peer: peer.taken()


def reply(*lines: str) -> Action:
    """Say these lines."""
    return raw("".join(f"{line}\r\n" for line in lines).encode())


def raw(octets: bytes) -> Action:
    """Say exactly this."""
    return lambda peer: peer.send(octets)


def drop() -> Action:
    """Close in an orderly way (FIN)."""

    def act(peer: Peer) -> None:
        peer.flush()
        # Not the method of an SSLSocket: that would only take the TLS away.
        socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
        raise Ended

    return act


def reset() -> Action:
    """Close in a disorderly way (RST)."""

    def act(peer: Peer) -> None:
        peer.flush()
        linger = struct.pack("ii", 1, 0)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.sock.close()
        raise Ended

    return act


def hang() -> Action:
    """Say nothing, and keep the connection, until the server stops."""
    return lambda peer: peer.pause(60)


def then(*actions: Action) -> Action:
    """Do one after the other."""

    def act(peer: Peer) -> None:
        for action in actions:
            action(peer)

    return act


def reply_and_close(*lines: str) -> Action:
    """Have the last word."""
    return then(reply(*lines), drop())


def half(line: str) -> Action:
    """Say half of a reply, and no more."""
    return then(raw(line[: len(line) // 2].encode()), hang())


def drip(octets: bytes, seconds: float) -> Action:
    """Say it octet by octet, with a pause before each."""

    def act(peer: Peer) -> None:
        for number in range(len(octets)):
            peer.pause(seconds)
            peer.send(octets[number : number + 1])

    return act


def long_line(code: int, length: int) -> Action:
    """Say one reply line of so many octets, piece by piece."""

    def act(peer: Peer) -> None:
        peer.send(f"{code} ".encode())
        for _ in range(length // _PIECE):
            peer.send(b"x" * _PIECE)
        peer.send(b"\r\n")

    return act


def many_lines(code: int, number: int) -> Action:
    """Say a reply of so many lines."""
    return reply(*[f"{code}-more"] * (number - 1), f"{code} end")


def after_hello(octets: bytes) -> Action:
    """At ``tls``: say this in clear, once the client has begun its handshake."""

    def act(peer: Peer) -> None:
        peer.flush()
        peer.sock.recv(1, socket.MSG_PEEK)
        peer.send(octets)
        peer.flush()

    return act


def in_clear(octets: bytes) -> Action:
    """Say it beside the TLS of a connection, as somebody in between can."""

    def act(peer: Peer) -> None:
        peer.flush()
        socket.socket.sendall(peer.sock, octets)

    return act


def endless(code: int) -> Action:
    """Say continuation lines until the client has enough."""

    def act(peer: Peer) -> None:
        for _ in itertools.count():
            peer.send(f"{code}-more\r\n".encode() * 100)

    return act
