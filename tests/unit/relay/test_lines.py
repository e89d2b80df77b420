# SPDX-License-Identifier: Apache-2.0
"""A line that is too long is seen, and no other is."""

import pytest

from maildropd.relay.form.lines import LongLines, has_long_line, lines

TEXTS = [
    ("short lines", b"x" * 60 + b"\r\n", 40),
    ("as long as may be", b"x" * 998 + b"\r\n", 3),
    ("one empty line", b"\r\n", 1),
    ("nothing", b"", 1),
]


@pytest.mark.parametrize(("name", "line", "number"), TEXTS)
def test_lines_as_they_should_be_are_not_long(
    name: str, line: bytes, number: int
) -> None:
    del name
    assert not has_long_line(line * number)


@pytest.mark.parametrize("before", [b"", b"x\r\n", b"x" * 998 + b"\r\n", b"\r\n" * 700])
@pytest.mark.parametrize("after", [b"", b"y\r\n", b"\r\n" * 700])
@pytest.mark.parametrize("octets", [999, 1000, 1001, 5000])
def test_a_line_of_999_octets_is_long_wherever_it_stands(
    before: bytes, after: bytes, octets: int
) -> None:
    """RFC 5322 2.1.1: 998, and CR LF."""
    assert has_long_line(before + b"z" * octets + b"\r\n" + after)


@pytest.mark.parametrize("step", [1, 7, 999, 5000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_in_pieces_a_long_line_is_seen_as_well(step: int, end: bytes) -> None:
    for text, long in ((b"x" * 996, False), (b"x" * 1001, True)):
        whole = b"a" + end + text + end + b"b" + end
        look = LongLines()
        for at in range(0, len(whole), step):
            look.feed(whole[at : at + step])

        assert look.found is long


def test_a_long_line_without_an_end_is_seen() -> None:
    look = LongLines()
    look.feed(b"x\n" + b"x" * 999)

    assert look.found


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_lines_are_the_same_however_the_octets_come(step: int) -> None:
    """Bare CR and LF are line ends, as they will be on the wire."""
    text = b"a\r\n\r\nb\nc\rd\r\r\n.\ne"
    blocks = [text[at : at + step] for at in range(0, len(text), step)]

    found = list(lines(blocks))

    whole = [b"a", b"", b"b", b"c", b"d", b"", b".", b"e"]
    assert b"".join(found) == b"".join(line + b"\r\n" for line in whole)
    assert all(some.endswith(b"\r\n") for some in found)


@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n", b"\nx", b"\rx"])
def test_a_line_of_any_length_comes_in_pieces_and_has_one_end(end: bytes) -> None:
    blocks = [b"y" * 50_000] * 5 + [end[:1], end[1:]]

    found = list(lines(blocks))

    whole = b"".join(found)
    rest = b"x\r\n" if end.endswith(b"x") else b""
    assert whole == b"y" * 250_000 + b"\r\n" + rest
    assert max(map(len, found)) < 150_000
