# SPDX-License-Identifier: Apache-2.0
"""What maildropctl verp says of an address that came back."""

import pytest

from maildropd.cli import maildropctl

ADDRESS = "bounces+user=example.net@lists.example.org"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([ADDRESS], "bounces@lists.example.org\nuser@example.net\n"),
        (
            ["--delimiters=-=", "l-a-b=x.net@y.org"],
            "l@y.org\na-b@x.net\n",
        ),
        (
            ["--list", "news+eu@y.org", "news+eu+u=x.net@y.org"],
            "news+eu@y.org\nu@x.net\n",
        ),
    ],
)
def test_list_and_recipient_stand_in_two_lines(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert maildropctl.main(["verp", *words]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    "words",
    [
        ["bounces@lists.example.org"],
        ["--list", "other@y.org", ADDRESS],
        ["--delimiters", "ab", ADDRESS],
        ["\x1b[2J+u=x@y"],
    ],
)
def test_what_is_no_such_address_fails_and_says_so(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert maildropctl.main(["verp", *words]) == 1

    told = capsys.readouterr()
    assert not told.out
    assert told.err.removesuffix("\n").isprintable()
