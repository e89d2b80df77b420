# SPDX-License-Identifier: Apache-2.0
"""The header of a message in octets."""

import pytest

from maildropd.mail.errors import Malformed
from maildropd.mail.message import fields, header_end, message_id, without


def found(data: bytes) -> list[tuple[str, bytes]]:
    end = header_end(data)
    header = fields(data, 0, len(data) if end is None else end)
    return [(each.name, data[each.value : each.end].rstrip(b"\r\n")) for each in header]


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"A: 1\n\nbody\n\nmore", 6),
        (b"A: 1\r\n\r\nbody", 8),
        (b"A: 1\n\r\nbody", 7),
        (b"\nbody", 1),
        (b"\r\nbody", 2),
        (b"A: 1\n \nB: 2\n\n", 13),
        (b"A: 1\n", None),
        (b"", None),
    ],
)
def test_the_header_ends_at_the_first_empty_line(data: bytes, end: int | None) -> None:
    assert header_end(data) == end


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_fields_are_found_with_their_folds_and_octets(line_end: bytes) -> None:
    lines = [b"To: a@x,", b"\tb@x", b"X-Odd : \xff\xfe", b"Empty:", b"", b"No: field"]

    assert found(line_end.join(lines)) == [
        ("to", b" a@x," + line_end + b"\tb@x"),
        ("x-odd", b" \xff\xfe"),
        ("empty", b""),
    ]


def test_a_header_of_fields_without_end_is_refused() -> None:
    """Each is kept until the envelope is clear: four million octets were 150 MB."""
    assert len(found(b"A:\n" * 25_000)) == 25_000
    with pytest.raises(Malformed, match="more than 25000 header fields"):
        found(b"A:\n" * 25_001)


def test_a_message_may_be_all_header() -> None:
    assert found(b"To: a@x\nSubject: hi") == [("to", b" a@x"), ("subject", b" hi")]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"To: a@x\nHello\nBcc: b@x\n\n", "line 2 is no header field: 'Hello'"),
        (b" folded\n\n", "line 1"),
        (b"A: 1\r\n more\r\nS\xfcbject: x\r\n\r\n", r"line 3 .*'S\\\\xfcbject: x'"),
        (b": no name\n\n", "line 1"),
        (b"A B: blank in a name\n\n", "line 1"),
    ],
)
def test_a_line_that_is_no_field_is_refused(data: bytes, complaint: str) -> None:
    """Whether a Bcc below it is header or text cannot be known."""
    with pytest.raises(Malformed, match=complaint):
        found(data)


def test_fields_are_taken_out_whole_and_nothing_else_changes() -> None:
    data = b"Bcc: a@x,\n b@x\nTo: \xff\r\nbcc: c@x\r\n\r\nBcc: text\r\n"
    header = list(fields(data, 0, len(data) - 11))

    kept = without(data, 0, header, {"bcc"})

    assert b"".join(kept) == b"To: \xff\r\n\r\nBcc: text\r\n"


def test_a_message_that_needs_no_change_is_not_copied() -> None:
    data = b"To: a@x\n\nbody"

    (kept,) = without(data, 0, list(fields(data, 0, 9)), {"bcc"})

    assert kept is data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"A: 1\nMessage-ID: <1@x>\n\n", "<1@x>"),
        (b"message-id:\r\n <1@x>\r\n\r\n", "<1@x>"),
        (b"A: 1\n\nMessage-ID: <text@x>\n", None),
        (b"Message-ID:\nTo: a@x\n\n", None),
        (b"Message-ID:\n\n<text@x>\n", None),
        (b"X-Message-ID: <other@x>\n\n", None),
        (b"Message-ID: \xff\n\n", None),
        (b"Message-ID: <" + b"x" * 500 + b">\n\n", "<" + "x" * 249),
        (b"Message-ID: <1@x> \x1b[0m\n\n", "<1@x>"),
    ],
)
def test_the_message_id_is_told_to_the_log(data: bytes, told: str | None) -> None:
    assert message_id(data) == told


def test_a_message_id_that_begins_the_message_is_told_behind_an_envelope() -> None:
    """Mail in the form of MaildropHost, with it as first field, had none in the log."""
    envelope = b"##To:bob@example.net\n"

    assert message_id(envelope + b"Message-ID: <a@b>\n\n", len(envelope)) == "<a@b>"
