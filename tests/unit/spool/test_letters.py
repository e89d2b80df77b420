# SPDX-License-Identifier: Apache-2.0
"""The forms of mail in a Maildir: zope.sendmail's, repoze.sendmail's, and none."""

import pytest

from maildropd.edge.spool import letters
from maildropd.edge.spool.draft import Draft
from maildropd.mail.errors import BadAddress, Malformed
from tests.fakes.originals import originals

REPOZE = (
    b"From: a@x.example\nX-Actually-From: %s\nSubject: plain\n"
    b"X-Actually-To: %s\n\nHello\n"
)
Q_A = b"=?utf-8?q?a=40x=2Eexample?="
B_BC = b"=?utf-8?b?YkB4LmV4YW1wbGUsY0B4LmV4YW1wbGU=?="


def read(octets: bytes) -> Draft:
    assert letters.is_complete(octets)
    return letters.read(octets, 100)


def content(draft: Draft) -> bytes:
    return b"".join(draft.content)


def test_the_message_of_zope_sendmail_is_sent_as_it_is() -> None:
    """Its own line ends are CRLF, those of the two lines LF."""
    message = b"Message-Id: <1@x>\r\nBcc: d@x\r\n\r\nX-Zope-To: body\r\n"

    found = read(b"X-Zope-From: a@x.example\nX-Zope-To: b@x, c@x\n" + message)

    assert found.reverse_path == "a@x.example"
    assert found.recipients == ("b@x", "c@x")
    assert content(found) == message


@pytest.mark.parametrize(
    ("value", "recipients"),
    [
        ('b@x.example, "Doe, Jane" <c@x.example>', ("b@x.example", "c@x.example")),
        ("b@x.example, , c@x.example,", ("b@x.example", "c@x.example")),
        ("b@x.example; c@x.example", ("b@x.example", "c@x.example")),
        ("j\u00f6rg@\u00fc.example", ("j\u00f6rg@\u00fc.example",)),
        ("team: b@x.example, c@x.example;", ("b@x.example", "c@x.example")),
    ],
)
def test_recipients_of_zope_sendmail_are_an_address_list(
    value: str, recipients: tuple[str, ...]
) -> None:
    octets = f"X-Zope-From: \nX-Zope-To: {value}\nSubject: t\n\nbody\n".encode()

    assert read(octets).recipients == recipients
    assert read(octets).reverse_path is None


@pytest.mark.parametrize(
    "octets",
    [
        b"X-Zope-To: b@x\nX-Zope-From: a@x\nSubject: t\nTo: d@x\n\nbody\n",
        b"X-Zope-From: a@x\nSubject: t\nX-Zope-To: b@x\nTo: d@x\n\nbody\n",
        b"X-Zope-To: b@x\n",
        b"X-Zope-From: a@x",
    ],
)
def test_half_an_envelope_is_none_whatever_the_header_says(octets: bytes) -> None:
    """Its writer meant somebody else than those in To."""
    with pytest.raises(Malformed, match="X-Zope-"):
        letters.read(octets, 100)


def test_the_fields_of_repoze_sendmail_are_read_and_taken_out() -> None:
    found = read(REPOZE % (Q_A, B_BC))

    assert found.reverse_path == "a@x.example"
    assert found.recipients == ("b@x.example", "c@x.example")
    assert content(found) == b"From: a@x.example\nSubject: plain\n\nHello\n"


@pytest.mark.parametrize(
    ("value", "recipients"),
    [
        (b"b@x.example,c@x.example", ("b@x.example", "c@x.example")),
        (b"=?utf-8?q?b=40x?=\n =?utf-8?q?=2Eexample?=", ("b@x.example",)),
        (b"b@x.example,\n =?utf-8?q?c=40x=2Eexample?=", ("b@x.example", "c@x.example")),
        (b"=?utf-8?b?YkB4LmV4YW1wbGU?=", ("b@x.example",)),
        (b"=?iso-8859-1?q?j=F6rg=40x?=", ("j\u00f6rg@x",)),
        (b"=?utf-8*en?Q?b_<b=40x>?=", ("b@x",)),
    ],
)
def test_encoded_words_may_be_folded_and_mixed(
    value: bytes, recipients: tuple[str, ...]
) -> None:
    """The original gave up on a mixture, and the mail stayed for ever."""
    assert read(REPOZE % (Q_A, value)).recipients == recipients


@pytest.mark.parametrize(
    "value",
    [
        b"=?utf-8?q?b=40x=0Aevil?=",
        b"=?utf-8?q?b=40x=0D=0A_evil?=",
        b"=?utf-8?b?YkB4!!?=",
        b"=?utf-8?q?b=FF=40x?=",
        b"=?martian?q?b?=",
        b"=?utf-8?q?b=40x_c=40x?=",
    ],
)
def test_what_cannot_be_read_is_no_address(value: bytes) -> None:
    with pytest.raises((Malformed, BadAddress)):
        read(REPOZE % (Q_A, value))


def test_a_sender_alone_is_no_envelope() -> None:
    octets = b"To: d@x\nX-Actually-From: a@x\n\nHello\n"

    with pytest.raises(Malformed, match="no recipient"):
        read(octets)


def test_the_names_of_the_fields_in_the_text_mean_nothing() -> None:
    octets = b"From: a@x\nTo: b@x\n\nX-Actually-To: c@x\nX-Zope-To: c@x\n"

    assert read(octets).recipients == ("b@x",)
    assert content(read(octets)) == octets


@pytest.mark.parametrize("octets", [b"X-Zope-From: a@x\nX-Zope-To:", b"From: a@x\n"])
def test_more_is_read_while_the_envelope_may_go_on(octets: bytes) -> None:
    assert not letters.is_complete(octets)


def test_what_the_originals_wrote_is_read() -> None:
    """Only where their files are at hand."""
    for file in originals("queue-files"):
        octets = file.read_bytes()
        found = read(octets)

        assert found.reverse_path == "a@x.example"
        assert found.recipients in (("b@x.example",), ("b@x.example", "c@x.example"))
        assert b"X-Zope" not in content(found)
        assert b"X-Actually" not in content(found)
        assert content(found).split(b"\n")[-2] == octets.split(b"\n")[-2]


def test_a_message_cannot_choose_its_envelope() -> None:
    """The fields that count were appended; what its author wrote comes before."""
    octets = b"X-Actually-To: evil@x\nX-Actually-From: e@x\n" + REPOZE % (Q_A, b"b@x")

    found = read(octets)

    assert (found.reverse_path, found.recipients) == ("a@x.example", ("b@x",))
    assert b"X-Actually" not in content(found)


@pytest.mark.parametrize(
    "octets",
    [
        b"X-Zope-From: e@x\nX-Zope-To: evil@x\n" + REPOZE % (Q_A, b"b@x"),
        b"X-Zope-To: evil@x\n" + REPOZE % (Q_A, b"b@x"),
    ],
)
def test_two_envelopes_are_none(octets: bytes) -> None:
    with pytest.raises(Malformed, match="two envelopes"):
        read(octets)
