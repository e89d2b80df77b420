# SPDX-License-Identifier: Apache-2.0
"""Replies as they come: whole, in pieces, in strange forms."""

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from maildropd.host.clock import SystemClock
from maildropd.relay.wire import ConnectionLost, Wire
from tests.fakes.relay import alive

Pair = tuple[Wire, socket.socket]


@contextmanager
def connected() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    wire = Wire("client.example", SystemClock(), alive)
    wire.step("test", timedelta(seconds=5))
    wire.adopt(ours)
    with theirs:
        yield wire, theirs
    wire.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    with connected() as both:
        yield both


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"250 ok\r\n", (250, b"ok")),
        (b"250 ok\n", (250, b"ok")),
        (b"250\r\n", (250, b"")),
        (b"250 \r\n", (250, b"")),
        (b"250-one\r\n250-\r\n250 two\r\n", (250, b"one\n\ntwo")),
        (b"250-one\r\n251 two\r\n", (251, b"one\ntwo")),
        (b"550-one\r\n550\r\n", (550, b"one\n")),
        (b"250 \xff\0\x1b[31m\r\n", (250, b"\xff\0\x1b[31m")),
        (b"250 " + b"x" * 5000 + b"\r\n", (250, b"x" * 4092)),
    ],
)
def test_a_reply_is_read_to_its_end(
    pair: Pair, octets: bytes, said: tuple[int, bytes]
) -> None:
    wire, theirs = pair
    theirs.sendall(octets)

    assert wire.getreply() == said
    assert not wire.unprompted()


def test_whatever_octets_come_it_is_a_reply_or_the_end() -> None:
    """Octets that matter to the reader, in any order, from a fixed seed."""
    dice = random.Random(7)  # the same octets in each run
    for _ in range(300):
        words = [
            b"2",
            b"50",
            b"250",
            b"-",
            b" ",
            b"\r",
            b"\n",
            b"\0",
            b"\xff",
            b"x" * 99,
        ]
        octets = b"".join(dice.choices(words, k=dice.randrange(40)))
        with connected() as (wire, theirs):
            theirs.sendall(octets)
            theirs.shutdown(socket.SHUT_WR)
            with suppress(ConnectionLost):
                code, _ = wire.getreply()
                assert 200 <= code <= 599


def test_a_reply_after_the_reply_is_noticed(pair: Pair) -> None:
    wire, theirs = pair
    theirs.sendall(b"250 ok\r\n421 closing\r\n")
    wire.getreply()

    assert wire.unprompted()


def test_a_closed_connection_is_noticed_without_a_word(pair: Pair) -> None:
    wire, theirs = pair
    theirs.close()

    assert wire.unprompted()


def test_every_wait_says_first_how_long_it_may_take(pair: Pair) -> None:
    wire, theirs = pair
    limits: list[timedelta] = []
    wire.alive = limits.append
    theirs.sendall(b"250 ok\r\n")
    wire.put(b"NOOP\r\n")
    wire.getreply()

    assert limits == [timedelta(seconds=5)] * 2


def test_a_reply_that_does_not_come_is_not_waited_for_any_longer(pair: Pair) -> None:
    wire, theirs = pair
    wire.step("patience", timedelta(seconds=0.05))
    theirs.sendall(b"250 ok")

    with pytest.raises(ConnectionLost, match=r"timed out after 0.05 s \(at patience\)"):
        wire.getreply()
    assert theirs.recv(1) == b""


def test_last_words_are_heard_although_nothing_can_be_sent_any_more(
    pair: Pair,
) -> None:
    wire, theirs = pair
    theirs.sendall(b"552 5.3.4 too large\r\n")
    linger = struct.pack("ii", 1, 0)  # close by RST
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    theirs.close()

    while wire.put(b"content\r\n"):
        pass

    assert wire.getreply() == (552, b"5.3.4 too large")
    with pytest.raises(ConnectionLost):
        wire.getreply()


def test_octets_that_nobody_reads_are_not_sent_for_ever(pair: Pair) -> None:
    wire, _ = pair
    wire.step("patience", timedelta(seconds=0.05))

    with pytest.raises(ConnectionLost, match="timed out"):
        wire.put(b"x" * 50_000_000)


def test_who_takes_no_more_and_says_why_is_heard_when_the_patience_ends(
    pair: Pair,
) -> None:
    """A server that stops reading after "too large" was said to have timed out."""
    wire, theirs = pair
    wire.step("patience", timedelta(seconds=0.05))
    theirs.sendall(b"552 5.3.4 too large\r\n")

    assert not wire.put(b"x" * 50_000_000)
    assert wire.getreply() == (552, b"5.3.4 too large")


def test_a_command_with_a_line_end_is_never_sent(pair: Pair) -> None:
    wire, _ = pair

    with pytest.raises(ValueError, match="line end"):
        wire.putcmd("VRFY", "a\r\nDATA")


def test_broken_off_by_another_thread_it_says_so(pair: Pair) -> None:
    wire, _ = pair
    wire.abort()

    with pytest.raises(ConnectionLost, match="broken off by us"):
        wire.put(b"NOOP\r\n")
