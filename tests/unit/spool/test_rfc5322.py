# SPDX-License-Identifier: Apache-2.0
"""Plain messages: the envelope is in their header."""

import pytest

from maildropd.edge.spool import forms
from maildropd.edge.spool.draft import Draft
from maildropd.mail.errors import BadAddress, Malformed

LIMIT = 1000


def read(*header: str, line_end: str = "\n", text: str = "text\n") -> Draft:
    lines = [*header, "", text]
    data = line_end.join(lines).encode("utf-8", "surrogateescape")
    return forms.read(data, LIMIT)


def test_the_recipients_are_all_of_to_cc_and_bcc() -> None:
    draft = read("Bcc: d@x", "To: a@x,", " B <b@x>", "From: z@x", "CC: c@x", "to: e@x")

    assert draft.recipients == ("a@x", "b@x", "e@x", "c@x", "d@x")


def test_a_recipient_named_twice_is_one() -> None:
    assert read("To: a@x", "Cc: A <a@X>, b@x", "Bcc: b@x").recipients == ("a@x", "b@x")


@pytest.mark.parametrize(
    ("header", "reverse_path"),
    [
        (["From: a@x"], "a@x"),
        (["From: A <a@x>, B <b@x>"], "a@x"),
        (["From: a@x, b@x", "Sender: S <s@x>"], "s@x"),
        (["From: a@x", "Sender: s@x", "Return-Path: <r@x>"], "r@x"),
        (["Return-Path: <>", "From: a@x"], None),
        (["Return-Path:", "From: a@x"], None),
        (["From: undisclosed:;"], None),
        ([], None),
    ],
)
def test_the_sender_is_return_path_else_sender_else_from(
    header: list[str], reverse_path: str | None
) -> None:
    assert read("To: t@x", *header).reverse_path == reverse_path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_nobody_sees_bcc_and_return_path_and_all_else_is_kept(line_end: str) -> None:
    kept = ["To: a@x", "X-Odd: \udcff", "Received: here", "", "Bcc: is text here"]
    ours = ["Return-Path: <r@x>", "BCC: b@x,", "\tc@x", "Resent-Bcc: d@x"]

    draft = read(*ours[:1], *kept[:2], *ours[1:], *kept[2:], line_end=line_end)

    message = line_end.join([*kept, "", "text\n"])
    assert b"".join(draft.content) == message.encode("utf-8", "surrogateescape")


def test_a_message_that_is_sent_on_goes_to_the_latest_block_alone() -> None:
    """RFC 5322 3.6.6: who is named elsewhere has had the mail already."""
    draft = read(
        "Resent-From: me@x",
        "Resent-To: new@x",
        "Resent-Cc: also@x",
        "Resent-Bcc: hidden@x",
        "Received: from old",
        "Resent-From: before@x",
        "Resent-To: old@x",
        "From: author@x",
        "To: first@x",
        "Bcc: secret@x",
    )

    assert draft.recipients == ("new@x", "also@x", "hidden@x")
    assert draft.reverse_path == "me@x"
    assert b"secret@x" not in b"".join(draft.content)
    assert b"hidden@x" not in b"".join(draft.content)


def test_a_block_ends_where_a_name_comes_again() -> None:
    draft = read(
        "Resent-To: new@x",
        "Resent-From: me@x",
        "Resent-To: old@x",
        "Resent-Cc: old2@x",
    )

    assert draft.recipients == ("new@x",)


@pytest.mark.parametrize("trace", ["Received: from old", "Return-Path: <old@x>"])
def test_a_block_ends_at_a_trace_field(trace: str) -> None:
    draft = read("Resent-To: new@x", trace, "Resent-Cc: old@x", "Resent-From: old@x")

    assert draft.recipients == ("new@x",)
    assert draft.reverse_path is None


def test_a_block_may_be_mixed_with_other_fields() -> None:
    draft = read("Resent-To: a@x", "Subject: x", "To: no@x", "Resent-Cc: b@x")

    assert draft.recipients == ("a@x", "b@x")


def test_a_resent_sender_goes_before_a_resent_author() -> None:
    draft = read("Resent-To: a@x", "Resent-From: f@x", "Resent-Sender: s@x")

    assert draft.reverse_path == "s@x"


def test_the_return_path_of_the_first_journey_is_not_taken_for_this_one() -> None:
    """It was made on arrival; our bounces must not go to the first sender."""
    header = ["Resent-From: me@x", "Resent-To: a@x", "Return-Path: <old@x>"]

    assert read(*header).reverse_path == "me@x"
    assert read("Return-Path: <new@x>", *header).reverse_path == "new@x"


def test_a_message_that_is_sent_on_to_nobody_is_refused() -> None:
    with pytest.raises(Malformed, match="no recipient"):
        read("Resent-From: me@x", "To: first@x")


def test_the_line_of_an_mbox_is_taken_off() -> None:
    draft = read("From a@x Sat Nov 21 07:00:00 2026", "To: b@x")

    assert b"".join(draft.content).startswith(b"To: b@x\n")


def test_a_message_may_have_no_text() -> None:
    assert forms.read(b"To: a@x", LIMIT).content == (b"To: a@x",)


@pytest.mark.parametrize("name", ["Bcc", "RESENT-BCC ", "to", "Return-Path\t"])
def test_a_field_behind_a_bare_cr_is_shown_to_nobody(name: str) -> None:
    data = f"To: a@x\nSubject: s\r{name}: b@x\n\ntext\n".encode()

    with pytest.raises(Malformed, match=f"a bare CR before {name.strip()}"):
        forms.read(data, LIMIT)


def test_other_bare_crs_stay_where_they_are() -> None:
    data = b"To: a@x\nSubject: s\rX: y\r\r\n\nte\rBcc: xt\n"

    assert b"".join(forms.read(data, LIMIT).content) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"Subject: x\n\ntext\n", "names no recipient"),
        (b"To: undisclosed-recipients:;\n\ntext\n", "names no recipient"),
        (b"\nTo: a@x\n", "names no recipient"),
        (b"\n", "names no recipient"),
        (b"hello\n", "line 1 is no header field: 'hello'"),
        (b"\0\1\2\xff", "line 1"),
        (b"To: a@x\nSubject: x\nhello\n\n", "line 3"),
        (b"To: a@x\rCc: b@x\r\rtext", "a bare CR before Cc"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(
    data: bytes, complaint: str
) -> None:
    with pytest.raises(Malformed, match=complaint):
        forms.read(data, LIMIT)


@pytest.mark.parametrize("name", ["To", "Cc", "Bcc", "From", "Sender", "Return-Path"])
def test_an_address_that_is_none_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(BadAddress, match=f"field {name.lower()}: .*'not an address'"):
        read("To: a@x", f"{name}: not an address")
