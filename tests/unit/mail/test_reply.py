# SPDX-License-Identifier: Apache-2.0
"""Replies, of servers and of ours, and what they come to."""

import pytest

from maildropd.mail.errors import MailError, StoreFull, TooLarge
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply


@pytest.mark.parametrize(
    ("code", "text", "status", "said"),
    [
        (250, b"2.1.5 Ok", "2.1.5", "Ok"),
        (250, b"Ok", "2.0.0", "Ok"),
        (550, b"5.1.1 no\n5.1.1 such user", "5.1.1", "no such user"),
        (550, b"5.1.1", "5.1.1", ""),
        (354, b"go on", "2.0.0", "go on"),
        (451, b"4.7.1234 x", "4.0.0", "4.7.1234 x"),
        (550, "j\u00f6rg".encode("latin-1"), "5.0.0", "j\ufffdrg"),
        (550, "j\u00f6rg", "5.0.0", "j\u00f6rg"),
        (550, b"a\x1b[31mb\x00c\x7fd", "5.0.0", "a [31mb c d"),
        (250, b"", "2.0.0", ""),
        (250, b"\r\n\r\n", "2.0.0", ""),
    ],
)
def test_a_reply_is_made_of_whatever_a_server_sends(
    code: int, text: bytes | str, status: str, said: str
) -> None:
    assert Reply.parse(code, text) == Reply(code, status, said)


@pytest.mark.parametrize(("code", "status"), [(250, "5.1.1"), (450, "5.1.1")])
def test_a_contradiction_is_settled_in_favour_of_the_code(
    code: int, status: str
) -> None:
    """RFC 3463 section 2."""
    reply = Reply.parse(code, f"{status} what now")

    assert reply.status == f"{code // 100}.0.0"


@pytest.mark.parametrize("code", [0, 199, 600, 999, -1])
def test_a_code_that_is_none_is_a_transient_trouble(code: int) -> None:
    reply = Reply.parse(code, "odd")

    assert reply == Reply(451, "4.0.0", f"{code} odd")


def test_digits_of_other_scripts_make_no_status() -> None:
    """It stands in a report to the sender, which then could not be carried."""
    assert Reply.parse(550, "5.\u0661.\u0661 no").status == "5.0.0"


def test_long_text_is_cut() -> None:
    assert len(Reply.parse(550, b"x" * 10_000_000).text) == 500


@pytest.mark.parametrize(("code", "status"), [(99, "2.0.0"), (250, "2.0"), (250, "")])
def test_a_reply_of_ours_must_be_one(code: int, status: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Reply(code, status)


@pytest.mark.parametrize(
    ("code", "disposition"),
    [
        (250, Disposition.DELIVERED),
        (354, Disposition.DELIVERED),
        (451, Disposition.DEFERRED),
        (550, Disposition.FAILED),
    ],
)
def test_the_first_digit_decides(code: int, disposition: Disposition) -> None:
    reply = Reply.parse(code, "x")

    assert Outcome.of(reply, "mx:25").disposition is disposition
    assert [reply.positive, reply.transient, reply.permanent].count(True) == 1


def test_a_reply_is_shown_with_its_code() -> None:
    assert str(Reply(250, "2.0.0", "Ok")) == "250 Ok"
    assert str(Reply(250, "2.0.0")) == "250"


def test_an_error_has_the_reply_of_its_kind_with_its_own_words() -> None:
    assert StoreFull("no room").reply == Reply(452, "4.3.1", "no room")
    assert TooLarge("too large").reply.permanent
    assert MailError("x", Reply(421, "4.3.2", "y")).reply.text == "y"


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred",
        "\u202egnihton",
        "a\u2028b",
        "\x85",
        "\ufeff",
        "\u200b",
        "\x00" * 9,
    ],
)
def test_what_would_control_a_terminal_becomes_blanks(text: str) -> None:
    """Some turn the rest of the line round, and so forge what it says."""
    reply = Reply.parse(550, f"5.1.1 no {text} user".encode())

    assert reply.text.isprintable()
    assert reply.text.startswith("no ")
    assert reply.text.endswith(" user")


def test_words_in_other_scripts_are_kept() -> None:
    text = "Postfach \xfcberf\xfcllt, \u6ca1\u6709\u7528\u6237 \U0001f4ed"

    assert Reply.parse(552, text.encode()).text == text
