# SPDX-License-Identifier: Apache-2.0
"""Who wrote a message, and what stands there when that is put right."""

import pytest

from maildropd.mail.message import fields, split
from maildropd.policy.authors import authors, masked, masqueraded, with_author

OWN = "alice@host.example"


class OneName:
    """Knows one name that is ours."""

    def is_local(self, address: str) -> bool:
        return "@" not in address or address.endswith("@host.example")


def said(header: bytes, name: str) -> list[bytes]:
    return [
        header[each.value : each.end].strip()
        for each in fields(header, 0, len(header))
        if each.name == name
    ]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"From: a@x\nSender: b@y\nReply-To: c@z\n\n", ("a@x", "b@y")),
        (b"From: a@x\nFROM : b@y\n\n", ("a@x", "b@y")),
        (b"From: A <a@x>, B: b@y, c@z;\n\n", ("a@x", "b@y", "c@z")),
        (b"From:\n a@x\n\n", ("a@x",)),
        (b"Subject: x\n\n", ()),
        # What has no address is nobody's, and must not pass as everybody's.
        (b"From:\n\n", ("",)),
        (b'From: "bob@host.example":;\n\n', ('"bob@host.example":;',)),
        (b"From: a@x <b@y\n\n", ("a@x <b@y",)),
        (b"From: a\0@x\n\n", ("a @x",)),
        ("From: a@x\u2028\n\n".encode(), ("a@x ",)),
        (b"From: <\xff\xe9>\r\n\tx <\r\n\r\n", ("<\ufffd\ufffd>   x <",)),
    ],
)
def test_authors_are_all_that_are_named(header: bytes, found: tuple[str, ...]) -> None:
    assert authors(header) == found


def test_a_list_of_a_million_authors_is_nobodys() -> None:
    (found,) = authors(b"From: " + b"a@x," * 100_000 + b"\n\n")

    assert found.startswith("a@x,a@x")
    assert found.endswith("...")
    assert len(found) <= 203


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Bob <bob@x>", b"Bob <alice@host.example>"),
        (b"J. R. Doe <bob@x>", b"J. R. Doe <alice@host.example>"),
        (b'"Doe, J" <bob@x>', b'"Doe, J" <alice@host.example>'),
        (b"Bob\r\n\tBlank <bob@x>", b"Bob Blank <alice@host.example>"),
        (b"B\xc3\xb6b <bob@x>", b"B\xc3\xb6b <alice@host.example>"),
        (b"B\xf6b <bob@x>", b"B\xf6b <alice@host.example>"),
        (b"=?utf-8?q?B=C3=B6b?= <bob@x>", b"=?utf-8?q?B=C3=B6b?= <alice@host.example>"),
        (b"=?utf-8?q?broken <bob@x>", b"=?utf-8?q?broken <alice@host.example>"),
    ],
)
def test_the_name_stays_and_the_address_is_another(old: bytes, new: bytes) -> None:
    found = rewritten(old)

    assert said(found, "from") == [new]


@pytest.mark.parametrize(
    "old",
    [
        *(b"", b";", b"bob@x", b"bob@x (Bob)", b"<bob@x>", b"eve@y, Bob <bob@x>"),
        *(b'"bob@x" <bob@x>', b'"a" <b@c> <bob@x>', b"x" * 400 + b" <bob@x>"),
        *(b'"\\', b"a\0b", b"\xc3\xb6 <x <", b"Bob (the bob) <bob@x>", b"B;b <bob@x>"),
        # A reader decodes these, and shows them.
        *(b"=?utf-8?q?bob=40x?= <bob@x>", b"=?utf-8?b?Ym9iQHg=?= <bob@x>"),
        *(b"bob=?utf-8?q?=40?=x <bob@x>", b"bob =?us-ascii?Q?=40?= x <bob@x>"),
        *(b"=?utf-7?q?bob+AEA-x?= <bob@x>", b"=?utf-16?b?AABA?= <bob@x>"),
        *(b"=?no-such?q?bob?= <bob@x>", b"=?utf-8?b?A?= <bob@x>"),
        b"=?\xb0tf-8?q?bob=40x?= <bob@x>",
        *("bob\uff20x <bob@x>".encode(), "bob\ufe6bx <bob@x>".encode()),
    ],
)
def test_a_name_that_is_none_or_an_address_goes(old: bytes) -> None:
    """A reader shows the name, and hides the address behind it."""
    assert said(rewritten(old), "from") == [OWN.encode()]


def rewritten(old: bytes) -> bytes:
    found = with_author(b"From: " + old + b"\r\n\r\n", OWN)
    assert authors(found) == (OWN,)
    assert b"\r\nX-Original-From: " + old + b"\r\n" in found
    assert split(found) == len(found)
    return found


def test_answers_go_to_the_old_author_where_nobody_else_is_named() -> None:
    found = with_author(b"From: Bob <bob@x>\n\n", OWN)

    assert said(found, "reply-to") == [b"Bob <bob@x>"]
    found = with_author(b"From: Bob <bob@x>\nReply-To: c@y\n\n", OWN)
    assert said(found, "reply-to") == [b"c@y"]


@pytest.mark.parametrize("old", [b"", b"group:;", b"bob <"])
def test_nobody_can_be_answered_who_has_no_address(old: bytes) -> None:
    assert b"Reply-To" not in with_author(b"From: " + old + b"\n\n", OWN)


def test_a_sender_without_an_author_was_an_internal_error() -> None:
    """An empty From has no first address."""
    found = with_author(b"From:\nSender: bob@x\n\n", OWN)

    assert authors(found) == (OWN,)
    assert said(found, "x-original-sender") == [b"bob@x"]


def test_of_several_froms_one_is_left() -> None:
    found = with_author(b"From: bob@x\nTo: y\nfrom:eve@x\nSender: z@x\n\n", OWN)

    assert authors(found) == (OWN,)
    assert said(found, "x-original-from") == [b"bob@x", b"eve@x"]
    assert len(said(found, "reply-to")) == 1
    assert said(found, "to") == [b"y"]


def test_nobody_can_say_what_we_would_have_found() -> None:
    header = (
        b"X-Original-From: root@host.example\n"
        b"From: bob@x\n"
        b"x-original-sender : root@host.example\n"
        b" folded\n"
        b"\n"
    )

    found = with_author(header, OWN)

    assert said(found, "x-original-from") == [b"bob@x"]
    assert b"root" not in found
    assert b"folded" not in found


def test_a_header_that_just_ends_goes_on_in_lines() -> None:
    assert with_author(b"From: Bob <bob@x>", OWN) == (
        b"From: Bob <alice@host.example>\n"
        b"X-Original-From: Bob <bob@x>\nReply-To: Bob <bob@x>\n"
    )


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            b"From: A <a@host.example>\n\n",
            b"From: A <m@far.example>\nX-Original-From: A <a@host.example>\n\n",
        ),
        # The administrator's address is at another place than the shop's.
        (
            b"From: shop@far.example\nSender: a@host.example\n\n",
            (
                b"From: shop@far.example\nSender: m@far.example\n"
                b"X-Original-Sender: a@host.example\n\n"
            ),
        ),
        (
            b"From: a@host.example\nSender: x@far.example\n\n",
            (
                b"From: m@far.example\n"
                b"X-Original-From: a@host.example\nSender: x@far.example\n\n"
            ),
        ),
        (
            b"From: x@far.example, a@host.example\n\n",
            (
                b"From: m@far.example\n"
                b"X-Original-From: x@far.example, a@host.example\n\n"
            ),
        ),
        (
            b"From: a@host.example\nFrom: b@host.example\n\n",
            (
                b"From: m@far.example\nX-Original-From: a@host.example\n"
                b"X-Original-From: b@host.example\n\n"
            ),
        ),
        # Nothing of ours is in these, so nothing is touched.
        (b"X-Original-From: z\nFrom: x@far.example\n\n", None),
        (b"From: a <\n\n", None),
        (b"From:\n\n", None),
        (b"Subject: x\n\n", None),
    ],
)
def test_a_mask_is_worn_by_whom_we_know(header: bytes, found: bytes | None) -> None:
    assert masked(header, "m@far.example", OneName()) == (found or header)


@pytest.mark.parametrize(
    ("address", "rewrite_from", "found"),
    [
        ("a@host.example", "", "a@host.example"),
        ("a@host.example", "m@far.example", "m@far.example"),
        ("a@host.example", "@far.example", "a@far.example"),
        ("a", "@far.example", "a@far.example"),
        ('"a@b"@host.example', "@far.example", '"a@b"@far.example'),
        ("a@far.example", "m@far.example", "a@far.example"),
    ],
)
def test_a_mask_is_an_address_or_a_domain(
    address: str, rewrite_from: str, found: str
) -> None:
    assert masqueraded(address, rewrite_from, OneName()) == found
