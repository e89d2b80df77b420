# SPDX-License-Identifier: Apache-2.0
"""A message in pieces is hashed as the whole is, and never kept as a whole."""

import base64
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from dkim.canonicalization import Relaxed

from maildropd.relay.identity.dkim_body import (
    NoHeader,
    apart,
    body_hash,
    relaxed,
    wire_lines,
)

BODIES = [
    b"",
    b"\r\n",
    b"\r\n\r\n\r\n",
    b" \r\n",
    b" \t \r\n \r\n",
    b"a\r\n",
    b"a \t\r\n\r\n \r\n",
    b" a\r\n",
    b"\t a  b\t\r\n  c \r\n\r\n\r\n d\r\n",
    b"\r\n\r\na\r\n",
    b"a\r\n \r\n\r\n b\r\n",
    b"a " * 100 + b"\r\n",
    b"a\r\n" * 100,
    b".\r\n..\r\n",
]


def pieces(octets: bytes, number: int) -> Iterator[bytes]:
    """Cut into so many pieces, some of them empty."""
    source = random.Random(number)
    cuts = sorted(source.randrange(len(octets) + 1) for _ in range(number))
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        yield octets[start:end]


@pytest.mark.parametrize("body", BODIES)
def test_the_relaxed_form_is_that_of_the_library(body: bytes) -> None:
    expected = Relaxed.canonicalize_body(body)

    for number in range(20):
        assert b"".join(relaxed(pieces(body, number))) == expected
    each = [body[at : at + 1] for at in range(len(body))]
    assert b"".join(relaxed(each)) == expected


def test_any_body_has_the_form_that_the_library_gives_it() -> None:
    source = random.Random(4711)
    for number in range(2000):
        words = source.choices([b"a", b" ", b"\t", b"\r\n", b"  ", b"."], k=12)
        body = b"".join(words) + b"\r\n"

        found = b"".join(relaxed(pieces(body, number % 6)))
        assert found == Relaxed.canonicalize_body(body), body


def test_the_hash_is_that_of_the_rfc() -> None:
    """RFC 8463 appendix A."""
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"

    assert base64.b64encode(body_hash([body])) == (
        b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    )


@pytest.mark.parametrize(
    ("octets", "lines"),
    [
        (b"", b""),
        (b"a", b"a\r\n"),
        (b"a\n", b"a\r\n"),
        (b"a\r", b"a\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b"a\n\r\n\rb", b"a\r\n\r\n\r\nb\r\n"),
        (b"\r\r\n\n", b"\r\n\r\n\r\n"),
        (b".\n..\n", b".\r\n..\r\n"),
    ],
)
def test_lines_end_as_on_the_wire(octets: bytes, lines: bytes) -> None:
    for number in range(20):
        assert b"".join(wire_lines(pieces(octets, number))) == lines


@pytest.mark.parametrize(
    ("message", "header", "body"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody\r\n", b"A: 1\r\nB: 2\r\n", b"body\r\n"),
        (b"A: 1\r\n\r\n", b"A: 1\r\n", b""),
        (b"A: 1\r\n", b"A: 1\r\n", b""),
        (b"\r\nbody\r\n", b"", b"body\r\n"),
        (b"A: 1\r\n\r\n\r\n\r\nbody\r\n", b"A: 1\r\n", b"\r\n\r\nbody\r\n"),
        (b"", b"", b""),
    ],
)
def test_header_and_body_are_apart(message: bytes, header: bytes, body: bytes) -> None:
    for number in range(20):
        head, rest = apart(pieces(message, number))
        assert (head, b"".join(rest)) == (header, body)


def test_a_header_without_end_is_not_read_to_it() -> None:
    with pytest.raises(NoHeader):
        apart(b"X: y\r\n" * 20_000 for _ in range(1000))


def _large(block: bytes) -> Iterator[bytes]:
    """Yield 4 MB."""
    for _ in range(4 * 1024 * 1024 // len(block)):
        yield block


@pytest.mark.parametrize("text", [b"a b  c\r\n", b"\r\n", b" ", b"\t\r\n", b"x"])
def test_a_large_body_is_never_in_memory(text: bytes) -> None:
    block = (text * 8192)[:8192]
    tracemalloc.start()
    try:
        body_hash(_large(block))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000
