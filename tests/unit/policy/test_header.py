# SPDX-License-Identifier: Apache-2.0
"""What is added to a header, and to the bare names in it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import Malformed
from maildropd.mail.message import split
from maildropd.policy.fields import qualified
from maildropd.policy.header import (
    Facts,
    TooManyHops,
    closed,
    complete,
    qualify,
    with_field,
)

EAST = timezone(timedelta(hours=5, minutes=30))
FACTS = Facts(
    author="alice@host.example",
    full_name="Alice Ample",
    hostname="host.example",
    submitter=Submitter(name="sendmail", uid=1000, pid=77, unit="cron.service"),
    now=datetime(2026, 11, 5, 7, 8, 9, tzinfo=EAST),
    token="0123456789",
)
ADDED = (
    b"Received: by host.example (maildropd, from uid 1000) via sendmail;"
    b" Thu, 05 Nov 2026 07:08:09 +0530\n"
    b"Date: Thu, 05 Nov 2026 07:08:09 +0530\n"
    b"Message-ID: <0123456789@host.example>\n"
    b'From: "Alice Ample" <alice@host.example>\n'
)


@dataclass
class OneDomain:
    domain: str = "host.example"


# --- what is missing ----------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: x\n\n",
        b"Subject: x\n",
        b"Subject: x",
        b"",
        b"\n",
        b"X:\xff\n\t\0\n\n",
    ],
)
def test_all_that_is_missing_comes_before_what_is_there(header: bytes) -> None:
    assert complete(header, FACTS) == ADDED + header


@pytest.mark.parametrize("name", ["Received", "Date", "Message-ID", "From"])
def test_what_is_there_is_not_said_again(name: str) -> None:
    """In whatever way it is written, and whatever it says."""
    lines = [line for line in ADDED.splitlines(True) if name.encode() not in line[:11]]

    for field in (f"{name}: x", name.lower() + ":", f"{name.upper()} \t:\n x"):
        header = field.encode() + b"\nX: y\n\n"
        assert complete(header, FACTS) == b"".join(lines) + header


def test_lines_end_as_those_that_are_there() -> None:
    long = replace(FACTS, full_name="\u00e9" * 60)  # takes several lines

    found = complete(b"Subject: x\r\n\r\n", long)

    assert found.count(b"\n") == found.count(b"\r\n")
    assert b"?=\r\n =?" in found
    assert max(map(len, found.splitlines())) <= 100


@pytest.mark.parametrize(
    ("submitter", "said"),
    [
        (Submitter(name="smtp", uid=0), b"(maildropd, from uid 0) via smtp;"),
        (Submitter(name="smtp"), b"(maildropd) via smtp;"),
        (
            Submitter(name="smtp", uid=7, client="127.0.0.1", surmised=True),
            b"(maildropd, from uid 7?) via smtp;",
        ),
    ],
)
def test_received_says_the_uid_and_how_sure_it_is(
    submitter: Submitter, said: bytes
) -> None:
    assert said in complete(b"", replace(FACTS, submitter=submitter))


def test_received_shows_no_pid_unit_or_client_to_the_world() -> None:
    who = Submitter(
        name="smtp", uid=1000, pid=771199, unit="shop.service", client="192.0.2.77"
    )

    found = complete(b"", replace(FACTS, submitter=who))

    for private in (b"771199", b"shop", b"192.0.2.77"):
        assert private not in found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", b"alice@host.example"),
        ("\r\n", b"alice@host.example"),
        ("A", b'"A" <alice@host.example>'),
        ('A "x" \\', b'"A \\"x\\" \\\\" <alice@host.example>'),
        ("A\r\nBcc: eve@x", b'"A  Bcc: eve@x" <alice@host.example>'),
        ("A\u2028B\x00\x1b[2J", b'"A B  [2J" <alice@host.example>'),
        (
            "\u00e9\nBcc: eve@x",
            b"=?utf-8?b?w6kgQmNjOiBldmVAeA==?= <alice@host.example>",
        ),
        ("\udcff", b"alice@host.example"),
        ('"' * 5000, b'"' + b'\\"' * 200 + b'" <alice@host.example>'),
    ],
)
def test_a_name_is_a_name_whatever_is_in_it(name: str, said: bytes) -> None:
    found = complete(b"Received: x\nDate: x\nMessage-ID: x\n", FACTS)
    assert found.startswith(b"From: ")

    found = complete(
        b"Received: x\nDate: x\nMessage-ID: x\n", replace(FACTS, full_name=name)
    )

    assert found.partition(b"\n")[0] == b"From: " + said


def test_what_went_round_fifty_times_goes_no_further() -> None:
    assert complete(b"Received: x\n" * 50, FACTS)
    with pytest.raises(TooManyHops):
        complete(b"Received: x\n" * 51, FACTS)


def test_what_is_no_header_is_not_guessed_at() -> None:
    with pytest.raises(Malformed):
        complete(b"Subject: x\nhello\n", FACTS)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"A: b\n\n", b"A: b\n\n"),
        (b"A: b\r\n\r\n", b"A: b\r\n\r\n"),
        (b"A: b\n", b"A: b\n\n"),
        (b"A: b\r\n", b"A: b\r\n\r\n"),
        (b"A: b", b"A: b\n\n"),
        (b"A: b\r\nC: d", b"A: b\r\nC: d\r\n\r\n"),
        (b"", b"\n"),
        (b"\n", b"\n"),
        (b"\r\n", b"\r\n"),
    ],
)
def test_a_header_has_an_end(header: bytes, found: bytes) -> None:
    assert closed(header) == found
    assert split(found) == len(found)


def test_a_list_is_folded_where_it_is_long() -> None:
    words = tuple(f"customer-{n}@shop.example" for n in range(100))

    found = with_field(b"A: b\r\n", "X-Original-To", words)

    assert found.endswith(b"\r\nA: b\r\n")
    assert found.count(b"\n") == found.count(b"\r\n")
    assert max(map(len, found.splitlines())) < 998
    assert found.count(b",") == 99


def test_a_word_of_a_list_cannot_end_it() -> None:
    found = with_field(b"", "X", ("a\r\nBcc: eve@x", "\u00e9" * 500, "\u00e9" * 500))

    assert [line[:1] for line in found.splitlines()] == [b"X", b" ", b" "]


# --- bare names -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b" root", b" root@H"),
        (b"root,bob", b"root@H,bob@H"),
        (b" Root <root>", b" Root <root@H>"),
        (b" <root>, Bob <b@x>", b" <root@H>, Bob <b@x>"),
        (b' "root" <root>', b' "root" <root@H>'),
        (b' "Doe, J" <root>', b' "Doe, J" <root@H>'),
        (b' "two words"', b' "two words"@H'),
        (b" a.b", b" a.b@H"),
        (b" a . b", b" a . b@H"),
        (b" root (the one)", b" root@H (the one)"),
        (b" (the (very) one) root", b" (the (very) one) root@H"),
        (b" G: root, Bob <bob>;", b" G: root@H, Bob <bob@H>;"),
        (b" =?utf-8?q?J=2C?= <root>", b" =?utf-8?q?J=2C?= <root@H>"),
        (b"\r\n\troot,\r\n bob\r\n", b"\r\n\troot@H,\r\n bob@H\r\n"),
        (b" B\xf6b <root>", b" B\xf6b <root@H>"),
        (b" \xc3\xa9", b" \xc3\xa9@H"),
        (b" a@b <root>", b" a@b <root@H>"),
        (b" a%b, a!b", b" a%b@H, a!b@H"),
        (b" root;bob", b" root@H;bob@H"),
    ],
)
def test_a_bare_name_gets_the_domain_and_nothing_else_changes(
    old: bytes, new: bytes
) -> None:
    assert qualified(old, "host.example") == new.replace(b"@H", b"@host.example")


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b" ", b" a@b", b" a@b, c@d", b" A <a@b>", b" a@[192.0.2.1]"),
        *(b" undisclosed-recipients:;", b" G: ;", b" <>", b" ,", b";"),
        *(b" two words", b" Two Words <a@b>", b' "a" b', b" a@", b" @b", b" <@x:root>"),
        *(b" .", b" a.", b" .a", b" a..b", b" a. b.", b" <a b>"),
        *(b" (never closed root", b' "never closed', b" a <b", b" [x] root"),
        *(b"," * 1000, b" <" * 5000, b" a" * 5000, b"a " * 1500 + b"<root>"),
    ],
)
def test_what_is_no_bare_name_stays(octets: bytes) -> None:
    assert qualified(octets, "host.example") == octets


def test_a_word_without_end_takes_no_time() -> None:
    """It was looked at once for each of its octets: half a minute for 64 KB."""
    octets = b"a" * 4_000_000

    assert qualified(octets, "h") == octets


@pytest.mark.parametrize(
    "name",
    [
        *("From", "Sender", "Reply-To", "To", "Cc"),
        *("Resent-From", "Resent-Sender", "Resent-Reply-To", "resent-to", "RESENT-CC"),
    ],
)
def test_every_field_of_addresses_is_completed(name: str) -> None:
    header = name.encode() + b" : root\r\nSubject: root\r\n\r\n"

    found = qualify(header, OneDomain())

    assert found == header.replace(b": root", b": root@host.example", 1)


def test_no_other_field_is_completed() -> None:
    header = b"Subject: root\nReturn-Path: root\nTos: root\nReferences: root\n\n"

    assert qualify(header, OneDomain()) == header


def test_the_time_is_that_of_the_host() -> None:
    found = complete(b"", replace(FACTS, now=datetime(2026, 1, 2, tzinfo=UTC)))

    assert b"Date: Fri, 02 Jan 2026 00:00:00 +0000\n" in found
