# SPDX-License-Identifier: Apache-2.0
"""What a client carries, however it is cut; and where a lone dot ends it."""

import time

import pytest

from maildropd.edge.sendmail.frame import Frame, LoneDot
from maildropd.mail.errors import Malformed

KEY = "0123456789abcdef" * 2


def frame(*words: bytes, chunks: tuple[bytes, ...] = (), end: bytes = b"0\n") -> bytes:
    """Return a frame as clients make it."""
    head = b"\0".join([b"#!sendmail", KEY.encode(), b"%d" % len(words), *words, b""])
    return head + b"".join(b"%d\n%b" % (len(c), c) for c in chunks) + end


def read(octets: bytes, size: int) -> tuple[Frame, bytes]:
    found, content = Frame(), b""
    for at in range(0, len(octets), size):
        content += found.feed(octets[at : at + size])
    return found, content


WHOLE = frame(b"sendmail", b"", b"-t", b"b\xffb", chunks=(b"a\0b", b"\n" * 20, b"0\n"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_frame_is_read_the_same_however_it_is_cut(size: int) -> None:
    found, content = read(WHOLE, size)

    assert found.ended
    assert found.key == KEY
    assert found.words == ["sendmail", "", "-t", "b\udcffb"]
    assert content == b"a\0b" + b"\n" * 20 + b"0\n"


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_frame_without_its_end_has_not_ended(length: int) -> None:
    assert not read(WHOLE[:length], 1000)[0].ended


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"#!sendmai1\0",
        b"#!sendmail\0" + b"x" * 32 + b"\0" + b"1\0a\0",
        b"#!sendmail\0" + KEY.encode() + b"\0-1\0a\0",
        b"#!sendmail\0" + KEY.encode() + b"\0" + b"9" * 7 + b"\0a\0",
        frame(b"a", end=b"x\n"),
        frame(b"a", end=b"01\n"),
        frame(b"a", end=b"9999999999999\n"),
        frame(b"a", end=b"0\nmore"),
        frame(b"a" * 3_000_000)[:2_500_000],
    ],
)
def test_what_is_no_frame_is_told(octets: bytes) -> None:
    with pytest.raises(Malformed):
        read(octets, 100_000)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("given", "meant", "ended"),
    [
        (b"a\n.\nb", b"a\n", True),
        (b".\nb", b"", True),
        (b"a\r\n.\r\nb", b"a\r\n", True),
        (b"a\n..\n.b\n", b"a\n..\n.b\n", False),
        (b"a.\nb\n", b"a.\nb\n", False),
        (b"a\n. \n", b"a\n. \n", False),
        (b"a\n.", b"a\n", False),
        (b"a\n.\r", b"a\n", False),
        (b"a\n.\rb\n", b"a\n.\rb\n", False),
        (b"", b"", False),
    ],
)
def test_a_lone_dot_ends_a_message_however_it_is_cut(
    given: bytes, meant: bytes, size: int, *, ended: bool
) -> None:
    """A dot that is all of the last line, with no line end, is one, too."""
    dot, found = LoneDot(ends=True), b""
    for at in range(0, len(given), size):
        if not dot.ended:
            found += dot.feed(given[at : at + size])

    assert (found, dot.ended) == (meant, ended)


def test_with_i_a_dot_is_text() -> None:
    assert LoneDot(ends=False).feed(b"a\n.\nb") == b"a\n.\nb"


def test_words_that_come_octet_by_octet_take_time_of_their_size() -> None:
    """Looking at all of them anew for each would take hours of processor time."""
    words = [b"x" * 100] * 5000
    whole, found = frame(b"sendmail", *words), Frame()

    began = time.process_time()
    for at in range(0, len(whole), 10):
        found.feed(whole[at : at + 10])

    assert time.process_time() - began < 5
    assert found.ended
    assert len(found.words or ()) == 5001


@pytest.mark.parametrize("head", [b"#!sendmail\0" + b"0" * 41, b"#!sendmail\0a\0b\0"])
def test_what_can_be_no_frame_any_more_is_told_at_once(head: bytes) -> None:
    with pytest.raises(Malformed):
        Frame().feed(head)
