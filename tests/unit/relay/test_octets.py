# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire can be cut into lines in one way only."""

import itertools
import re

import pytest

from maildropd.relay.form.octets import wire_blocks, wire_form

EXAMPLES = [
    (b"", b".\r\n"),
    (b"a\n", b"a\r\n.\r\n"),
    (b"a\r\n", b"a\r\n.\r\n"),
    (b"a", b"a\r\n.\r\n"),
    (b"a\rb", b"a\r\nb\r\n.\r\n"),
    (b"a\r", b"a\r\n.\r\n"),
    (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
    (b"a\n\r", b"a\r\n\r\n.\r\n"),
    (b".", b"..\r\n.\r\n"),
    (b".\n", b"..\r\n.\r\n"),
    (b"..\n", b"...\r\n.\r\n"),
    (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
    (b"a\n.\r\nMAIL FROM:<x>\n", b"a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
    (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
    (b"a\r\n.\n\n", b"a\r\n..\r\n\r\n.\r\n"),
    (b"\n\n", b"\r\n\r\n.\r\n"),
    (b"\0\xff\n", b"\0\xff\r\n.\r\n"),
]


@pytest.mark.parametrize(("stored", "sent"), EXAMPLES)
def test_lines_end_in_cr_lf_and_leading_dots_are_doubled(
    stored: bytes, sent: bytes
) -> None:
    assert wire_form(stored) == sent


HARD = [bytes(octets) for octets in itertools.product(b"\r\n.x", repeat=6)]


def test_it_does_not_matter_where_blocks_begin() -> None:
    """Every content of six such octets, cut at every place, and into ones."""
    for content in HARD:
        whole = wire_form(content)

        for cut in range(len(content) + 1):
            assert b"".join(wire_blocks([content[:cut], content[cut:]])) == whole
        assert b"".join(wire_blocks(bytes([octet]) for octet in content)) == whole


def test_only_the_end_looks_like_the_end() -> None:
    """No server finds an end within, whatever it takes for a line end."""
    for content in HARD:
        sent = wire_form(content)

        ends = re.finditer(rb"(?:^|[\r\n])\.[\r\n]", sent)
        assert [end.end() for end in ends] == [len(sent) - 1]
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", sent)
