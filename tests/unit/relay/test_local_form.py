# SPDX-License-Identifier: Apache-2.0
"""Octets as programs on this host read them, wherever a block ends."""

import re

import pytest

from maildropd.relay.local.local_form import field, mbox_form, unix_lines

MAILS = [
    b"",
    b"From a\n",
    b"x\nFrom a\n>From b\n>>From c\n From d\nFromage\n",
    b"x\r\n\r\nFrom a\r\n",
    b"x\n\nFrom",
    b"a\rFrom b\r",
    b">" * 9 + b"From x",
]


def pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("mail", MAILS)
def test_lines_end_in_lf_and_a_bare_cr_stays(mail: bytes, size: int) -> None:
    assert b"".join(unix_lines(pieces(mail, size))) == mail.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("mail", MAILS)
def test_no_line_of_a_mail_begins_the_next_one(mail: bytes, size: int) -> None:
    """And each can be undone: what was quoted before is quoted once more."""
    octets = b"".join(mbox_form(pieces(mail, size)))

    quoted = re.sub(rb"^(>*From )", rb">\1", mail, flags=re.MULTILINE)
    assert octets == quoted + (b"\n" if mail.endswith(b"\n") else b"\n\n")
    assert not re.search(rb"^From ", octets, re.MULTILINE)


def test_a_field_is_one_line() -> None:
    assert field("To", "a\r\nb\0c") == b"To: a  b c\n"
    assert field("To", "\u00fc@example.net") == "To: \u00fc@example.net\n".encode()
