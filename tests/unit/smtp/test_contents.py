# SPDX-License-Identifier: Apache-2.0
"""Where a message ends, however its octets are cut."""

import pytest

from maildropd.edge.smtp.contents import Contents


def read(octets: bytes, size: int) -> tuple[bytes, bytes | None]:
    """Feed pieces of a size; return content and rest."""
    contents, found = Contents(), b""
    for at in range(0, len(octets), size):
        if contents.rest is not None:
            return found, contents.rest + octets[at:]
        found += contents.feed(octets[at : at + size])
    return found, contents.rest


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000])
@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        (b"a\r\n\r\n..\r\n\r\n.\r\n", b"a\r\n\r\n.\r\n\r\n"),
        (b"a.b\r\n.c\r\n.\r\n", b"a.b\r\nc\r\n"),
        (b"x" * 5000 + b"\r\n.\r\n", b"x" * 5000 + b"\r\n"),
        (b"\0\xff\r\n.\r\n", b"\0\xff\r\n"),
    ],
)
def test_a_content_is_read_the_same_however_it_is_cut(
    sent: bytes, meant: bytes, size: int
) -> None:
    assert read(sent + b"QUIT\r\n", size) == (meant, b"QUIT\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    "almost",
    [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\n"],
)
def test_what_is_almost_an_end_is_none(almost: bytes, size: int) -> None:
    """SMTP smuggling: what one takes for an end and another for text."""
    inner = b"a" + almost + b"MAIL FROM:<x>\r\n"

    content, rest = read(inner + b".\r\n", size)

    assert rest == b""
    assert content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"MAIL") == 1
    assert content.endswith(b"MAIL FROM:<x>\r\n")


def test_without_its_end_a_content_goes_on() -> None:
    assert read(b"a\r\n.", 1)[1] is None
