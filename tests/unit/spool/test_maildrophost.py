# SPDX-License-Identifier: Apache-2.0
"""The form of MaildropHost: ``##To:``, ``##From:``, then the message."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from maildropd.edge.spool import forms
from maildropd.edge.spool.draft import Draft
from maildropd.mail.errors import BadAddress, Malformed

LIMIT = 1000
MESSAGE = b"From: a@x\nBcc: hidden@x\nMessage-ID: <1@x>\n\ntext\n"


def read(head: bytes) -> Draft:
    return forms.read(head, LIMIT)


def test_the_envelope_is_read_and_the_message_sent_as_it_is() -> None:
    """Even a Bcc in it: the envelope is elsewhere, so the field is content."""
    draft = read(b"##To:b@x,c@x\n##From:a@x\n" + MESSAGE)

    assert draft.recipients == ("b@x", "c@x")
    assert draft.reverse_path == "a@x"
    assert b"".join(draft.content) == MESSAGE


@pytest.mark.parametrize("sender", [b"", b"##From:\n", b"##From: \r\n", b"##From:<>\n"])
def test_without_a_sender_the_reverse_path_is_null(sender: bytes) -> None:
    assert read(b"##To:b@x\n" + sender + MESSAGE).reverse_path is None


def test_a_sender_may_have_a_name() -> None:
    draft = read(b"##To:b@x\n##From: A <a@x> \n" + MESSAGE)

    assert draft.reverse_path == "a@x"


def test_other_lines_are_ignored_and_the_order_is_free() -> None:
    draft = read(b"##X-Foo: bar\n##From:a@x\n##to:no@x\n##To:b@x\n" + MESSAGE)

    assert draft.recipients == ("b@x",)


def test_the_last_of_two_lines_wins() -> None:
    draft = read(b"##To:a@x\n##From:a@x\n##To:b@x\n##From:b@x\n" + MESSAGE)

    assert (draft.recipients, draft.reverse_path) == (("b@x",), "b@x")


def test_line_ends_may_be_crlf() -> None:
    message = MESSAGE.replace(b"\n", b"\r\n")

    draft = read(b"##To:b@x, c@x\r\n##From:a@x\r\n" + message)

    assert draft.recipients == ("b@x", "c@x")
    assert b"".join(draft.content) == message


def test_a_later_line_of_this_kind_is_text() -> None:
    message = b"Subject: x\n\n##To:no@x\n"

    draft = read(b"##To:b@x\n" + message)

    assert b"".join(draft.content) == message


def test_no_recipient_is_dropped_and_none_is_doubled() -> None:
    draft = read(b"##To:a@x; b@x,,c@x, A <a@X>, friends: d@x;\n" + MESSAGE)

    assert draft.recipients == ("a@x", "b@x", "c@x", "d@x")


def test_octets_of_any_kind_may_be_in_the_message() -> None:
    message = bytes(range(256)) + b"\r\r\n\0"

    draft = read(b"##To:b@x\n" + message)

    assert b"".join(draft.content) == message


def test_the_message_need_not_have_a_header() -> None:
    assert read(b"##To:b@x\njust text").content == (b"just text",)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (b"##To:\n" + MESSAGE, "names no recipient"),
        (b"##From:a@x\n" + MESSAGE, "names no recipient"),
        (b"##To:undisclosed-recipients:;\n" + MESSAGE, "names no recipient"),
        (b"##To b@x\n" + MESSAGE, "no colon: '##To b@x'"),
        (b"##To:b@x\n##\n" + MESSAGE, "no colon: '##'"),
        (b"##To:b@x\n##From:a@x\n", "no message"),
        (b"##To:b@x", "no message"),
        (b"##To:b@x\n##From:a@x\n\r\n\n", "no message"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(
    head: bytes, complaint: str
) -> None:
    with pytest.raises(Malformed, match=complaint):
        read(head)


@pytest.mark.parametrize(
    "head", [b"##To:a b@x\n", b"##To:a@x\0\n", b"##To:a@x\n##From:nobody at all\n"]
)
def test_an_address_that_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(BadAddress):
        read(head + MESSAGE)


@pytest.mark.parametrize(
    ("head", "complete"),
    [
        (b"##To:b@x", False),
        (b"##To:b@x\n", False),
        (b"##To:b@x\n#", False),
        (b"##To:b@x\n##Fr", False),
        (b"##To:b@x\nSu", False),
        (b"##To:b@x\nSubject: s\nX: y\n", False),
        (b"##To:b@x\nSubject: s\n\n", True),
        (b"##To:b@x\nSubject: s\nno field", False),
        (b"##To:b@x\nSubject: s\nno field\n", True),
        (b"##To:b@x\n\n\n", False),
        (b"##To:b@x\n\n\n" + b" " * 8190, True),
    ],
)
def test_a_head_is_complete_when_no_other_line_can_follow(
    head: bytes, *, complete: bool
) -> None:
    assert forms.is_complete(head) is complete


FIXTURES = Path(__file__).resolve().parents[4] / "shared" / "fixtures"
ORACLE = FIXTURES / "maildrophost" / "parsers-oracle.json"
LOSSES: Mapping[str, tuple[str, ...]] = {
    # What it lost, or made one of two; and what is no address to anybody else.
    "a@x; b@x": ("a@x", "b@x"),
    "a@x,,b@x": ("a@x", "b@x"),
    "a@x.": ("a@x",),
    "a@": (),
    "a b@x": (),
    "@route:a@x": ("a@x",),
    "a@@x": (),
}


def told() -> list[tuple[str, tuple[str, ...]]]:
    """Return lists and whom MaildropHost sent them to; its own, where they are here."""
    own = ("A <a@x>, g: b@x, c@x;", ("a@x", "b@x", "c@x"))
    recorded: list[dict[str, Any]] = []
    if ORACLE.exists():
        recorded = json.loads(ORACLE.read_text())["address_lists"]
    return [own, *((one["to"], tuple(a for _, a in one["list"])) for one in recorded)]


@pytest.mark.parametrize(("to", "found"), told())
def test_a_list_means_whom_maildrophost_sent_it_to_or_more(
    to: str, found: tuple[str, ...]
) -> None:
    """Nobody is lost on the way; what means nobody is no mail, and is said so."""
    head = f"##To:{to}\n".replace("\n ", " ").encode() + MESSAGE
    wanted = LOSSES.get(to, found)
    if wanted:
        assert read(head).recipients == wanted
    else:
        with pytest.raises((Malformed, BadAddress)):
            read(head)
