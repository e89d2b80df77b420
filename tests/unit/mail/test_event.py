# SPDX-License-Identifier: Apache-2.0
"""Events: one line for people, fields for programs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar

import pytest

from maildropd.mail.event import Event, Priority
from maildropd.mail.reply import Reply

OK = Reply(250, "2.1.5", "Ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Event):
    """One of everything."""

    event_id: ClassVar[str] = "0" * 32
    template: ClassVar[str] = "{what}: {delay} {at} {reply} {reply.status} {nothing}."
    what: str = "{braces} stay"
    delay: timedelta = timedelta(seconds=1.5)
    at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    reply: Reply = OK
    nothing: str | None = None
    number: int = 7


def test_the_text_is_one_line_for_people() -> None:
    text = Happened().text()

    assert text == "{braces} stay: 1.50 2026-01-02T03:04:05Z 250 Ok 2.1.5 ."


def test_fields_are_named_for_attributes_and_units() -> None:
    assert Happened().fields() == {
        "MAILDROP_WHAT": "{braces} stay",
        "MAILDROP_DELAY_USEC": "1500000",
        "MAILDROP_AT": "2026-01-02T03:04:05Z",
        "MAILDROP_REPLY": "250 Ok",
        "MAILDROP_DSN": "2.1.5",
        "MAILDROP_NUMBER": "7",
    }


def test_times_are_shown_in_utc() -> None:
    east = timezone(timedelta(hours=2))

    event = Happened(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=east))

    assert "2026-01-02T01:04:05Z" in event.text()


@pytest.mark.parametrize(
    ("delay", "shown"),
    [
        (timedelta(0), "0.00"),
        (timedelta(milliseconds=12), "0.01"),
        (timedelta(seconds=99.99), "99.99"),
        (timedelta(days=1), "86400"),
    ],
)
def test_long_durations_need_no_fractions(delay: timedelta, shown: str) -> None:
    assert f": {shown} " in Happened(delay=delay).text()


def test_an_event_is_informational_unless_it_says_otherwise() -> None:
    assert Happened.priority is Priority.INFO
