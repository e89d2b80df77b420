# SPDX-License-Identifier: Apache-2.0
"""What of the original goes back: octet by octet, and never much."""

import quopri
from collections.abc import Iterator

import pytest

from maildropd.bounce.original import excerpt
from tests.unit.bounce.cases import made

HEADER = b"Subject: hi\r\nX-Odd:a\r\n\tb\r\n\r\n"
WHOLE = HEADER + b"body\r\n"


def test_only_the_header_goes_back_unless_it_is_asked_for() -> None:
    """A bounce with the whole mail is how secrets and floods get about."""
    found = made(original=WHOLE)

    assert found.kinds[2] == "text/rfc822-headers"
    assert found.original == HEADER
    assert "Its header comes with this" in found.text


def test_all_of_it_goes_back_where_that_was_asked_for() -> None:
    found = made(original=WHOLE, whole_up_to=50_000)

    assert found.kinds[2] == "message/rfc822"
    assert found.original == WHOLE
    assert "Your message comes with this" in found.text


def test_what_is_large_goes_back_as_its_header_whatever_was_asked_for() -> None:
    found = made(original=HEADER + b"x" * 100, whole_up_to=100)

    assert (found.kinds[2], found.original) == ("text/rfc822-headers", HEADER)


def test_no_more_is_read_than_can_go_back() -> None:
    """One mail of 25 MB that fails must not need 25 MB."""
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        yield HEADER
        for _ in range(400):
            read += 65536
            yield b"x\r\n" * 21845

    found = excerpt(pieces(), 50_000)

    assert read <= 2 * 65536
    assert found.octets == HEADER


def test_a_header_without_end_is_cut_between_lines() -> None:
    found = excerpt([b"X-A: b\n"] * 20_000)

    assert 60_000 < len(found.octets) <= 65536
    assert found.octets == b"X-A: b\n" * (len(found.octets) // 7)


def test_8_bit_octets_stay_as_they_are() -> None:
    for original in b"Subject: J\xf6rg\n\n", "Subject: J\u00f6rg\n\n".encode():
        found = made(original=original)

        assert (found.kinds[2], found.encodings[2]) == ("text/rfc822-headers", "8bit")
        assert found.original == original
        assert found.head["Content-Transfer-Encoding"] == "8bit"


@pytest.mark.parametrize(
    ("whole_up_to", "kind"), [(0, "message/global-headers"), (99, "message/global")]
)
def test_a_header_in_utf_8_is_global_to_who_has_such_an_address(
    whole_up_to: int, kind: str
) -> None:
    octets = "Subject: J\u00f6rg\n\n".encode()

    found = made(original=octets, whole_up_to=whole_up_to, to="an\u00e4@example.org")

    assert (found.kinds[2], found.original) == (kind, octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"Subject: a\0b\n\n",
        b"Subject: " + b"x" * 2000 + b"\n\n",
        b"Subject: a\rb\n\n",
        b"X: \r\r\r\n\xff\0=\n.\n \n\n",
    ],
)
def test_what_no_mail_may_hold_is_encoded_and_comes_back_whole(octets: bytes) -> None:
    """A line that is too long, a NUL, a bare CR: they must not break the report."""
    found = made(original=octets)

    assert found.encodings[2] == "quoted-printable"
    assert found.head["Content-Transfer-Encoding"] is None
    assert quopri.decodestring(found.original) == octets.replace(b"\r\n", b"\n")


def test_what_no_mail_may_hold_is_not_returned_whole() -> None:
    """RFC 2046 5.2.1: no encoding may be put on a message in a message."""
    found = made(original=HEADER + b"a\0b\n", whole_up_to=1000)

    assert found.kinds[2] == "text/rfc822-headers"


def test_a_message_without_a_header_has_nothing_to_return() -> None:
    assert excerpt([b"\nbody\n"]).octets == b"\n"
    assert excerpt([]).octets == b""
