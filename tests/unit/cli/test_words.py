# SPDX-License-Identifier: Apache-2.0
"""Numbers and times as people read them."""

from datetime import timedelta

import pytest

from maildropd.cli import words


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (2150, "2.1K"),
        (10 * 1024, "10K"),
        (1023 * 1024, "1023K"),
        (1024 * 1024 - 1, "1.0M"),
        (25 << 20, "25M"),
        (3 << 40, "3.0T"),
        (5 << 50, "5120T"),
    ],
)
def test_a_size_is_told_in_two_digits_or_so(octets: int, text: str) -> None:
    assert words.size(octets) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.6, "1min"),
        (90, "1min 30s"),
        (3600, "1h"),
        (3605, "1h"),
        (11520, "3h 12min"),
        (86400 * 5 + 7200, "5d 2h"),
    ],
)
def test_a_span_is_told_by_its_largest_units(seconds: float, text: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == text


def test_what_steers_a_terminal_is_escaped() -> None:
    assert words.clean("a\x1b[31mb\nc\u202e\xe4") == r"a\x1b[31mb\nc\u202e" + "\xe4"


def test_one_is_not_many() -> None:
    assert [words.count(n, "message") for n in (0, 1, 2)] == [
        "0 messages",
        "1 message",
        "2 messages",
    ]
