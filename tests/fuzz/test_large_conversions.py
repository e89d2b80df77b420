# SPDX-License-Identifier: Apache-2.0
"""A message is converted in time of its size, and in little memory, whatever it is.

The shapes are the worst cases of plain ways to read a header, to find the
boundaries of parts, or to break a line.
"""

import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping

import pytest

from maildropd.relay.form.seven_bit import Unconvertible, converted, plan

MEGABYTE = 1 << 20
SECONDS = 10.0  # of processor time; what grows with the square takes minutes
HEADER = 20 * MEGABYTE  # of memory: a header is held, with all that is made of it
MOST = 4 * MEGABYTE  # a body is not

Shape = Callable[[int], bytes]
MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
HEADERS: Mapping[str, Shape] = {
    "folds": lambda n: b"X:" + b"\n x" * (n // 3),
    "folds of 8 bits": lambda n: b"X-A:" + b"\n \xff" * (n // 3),
    "one word of 8 bits": lambda n: b"Subject: " + b"\xc3\xbc" * (n // 2),
    "one word": lambda n: b"Subject: \xff " + b"x" * n,
    "words": lambda n: b"Subject: " + b"\xff x" * (n // 3),
    "fields": lambda n: b"X-A: \xff\n" * (n // 7),
    "names": lambda n: b"To: " + b"\xff <a@b>, " * (n // 9),
    "a name without end": lambda n: b'To: "' + b"\xff" * n,
    "quotes": lambda n: b'To: \xff"' + b'a" "' * (n // 4),
    "comments": lambda n: b"To: \xff" + b"()" * (n // 2),
    "comments in comments": lambda n: b"To: \xff" + b"(" * n,
    "angles": lambda n: b"To: \xff" + b"<" * n,
    "file names": lambda n: b"Content-Type: a/b" + b'; name="\xff"' * (n // 10),
    "blanks in a parameter": lambda n: b"Content-Type: a/b;\xff" + b" " * n + b"x",
    "a name of a file without end": lambda n: (
        b'Content-Type: a/b; name="\xff' + b'\\"' * (n // 2)
    ),
    "parameters": lambda n: b"Content-Type: multipart/x" + b"; a=b" * (n // 5),
}
BODIES: Mapping[str, Shape] = {
    "8 bits": lambda n: b"\n" + b"\xff" * n,
    "UTF-8": lambda n: b"\n" + b"\xc3\xbc " * (n // 3),
    "hyphens": lambda n: b"\n\xff" + b"-" * n,
    "lines of hyphens": lambda n: MIXED + b"--b\n\n\xff" + b"--\n" * (n // 3),
    "signs": lambda n: (
        b"Content-Transfer-Encoding: quoted-printable\n\n\xff" + b"=41" * (n // 3)
    ),
    "half signs": lambda n: (
        b"Content-Transfer-Encoding: quoted-printable\n\n\xff" + b"=" * n
    ),
    "base64": lambda n: b"Content-Transfer-Encoding: base64\n\n" + b"QUJD" * (n // 4),
    "parts": lambda n: MIXED + b"--b\n\n\xff\n" * (n // 8),
    "boundaries": lambda n: MIXED + b"--b\n" * (n // 4),
    "parts in parts": lambda n: b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (at, at)
        for at in range(n // 50)
    ),
    "messages in messages": lambda n: b"Content-Type: message/rfc822\n\n" * (n // 31),
    "line ends": lambda n: b"\n\xff" + b"\n" * n,
    "carriage returns": lambda n: b"\n\xff" + b"\r" * n,
}


def work(content: bytes) -> None:
    """Convert it, or find that it cannot be, from pieces as the store gives them."""

    def blocks() -> Iterator[bytes]:
        for at in range(0, len(content), 65_536):
            yield content[at : at + 65_536]

    for seven_bit in (True, False):
        try:
            agreed = plan(blocks, seven_bit=seven_bit)
        except Unconvertible:
            continue
        if agreed is not None:
            for block in converted(blocks, agreed):
                assert len(block) < 3 * MEGABYTE or content.startswith(block[:9])


def measured(content: bytes) -> int:
    """Return how much memory it took at most."""
    tracemalloc.start()
    work(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("shape", HEADERS)
def test_a_header_is_converted_in_time_and_memory_of_its_size(shape: str) -> None:
    content = HEADERS[shape](MEGABYTE // 2) + b"\n\n\xff\n"

    began = time.process_time()
    work(content)

    assert time.process_time() - began < SECONDS
    assert measured(HEADERS[shape](MEGABYTE // 8) + b"\n\n\xff\n") < HEADER


@pytest.mark.parametrize("shape", BODIES)
def test_a_body_is_converted_in_time_of_its_size_and_never_held(shape: str) -> None:
    content = BODIES[shape](2 * MEGABYTE) + b"\n"

    began = time.process_time()
    work(content)

    assert time.process_time() - began < SECONDS
    assert measured(BODIES[shape](MEGABYTE // 2) + b"\n") < MOST
