# SPDX-License-Identifier: Apache-2.0
"""A host on which units fail, with a root who keeps his mail."""

import email
import email.policy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from maildropd.notice.book import Book
from maildropd.notice.failure import Failure
from maildropd.notice.notifier import Notifier
from maildropd.notice.sender import NotHanded
from maildropd.notice.tally import Terms
from maildropd.notice.witness import Log

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
RUN = "0123456789abcdef" * 2


def failed(unit: str = "a.service", at: datetime = NOON, status: str = "1") -> Failure:
    return Failure(
        unit=unit,
        at=at,
        invocation=RUN,
        result="exit-code",
        code="exited",
        status=status,
    )


def read(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@dataclass
class Witness:
    """Says what it is told to."""

    shown: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def properties(self, unit: str) -> Mapping[str, str]:
        return self.shown

    def state(self, unit: str) -> str:
        return f"state of {unit}\n"

    def log(self, invocation: str) -> Log:
        self.asked.append(invocation)
        return Log(text=f"log of {invocation}\n")


@dataclass
class Root:
    """Takes mail, unless the way to him is closed."""

    mails: list[EmailMessage] = field(default_factory=list)
    closed: bool = False

    def hand(self, mail: bytes) -> None:
        if self.closed:
            raise NotHanded("both ways are closed")
        self.mails.append(read(mail))

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


class Host:
    """Fails units at times of its own."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.now = NOON
        self.witness, self.root, self.book = Witness(), Root(), Book(folder)
        self.notifier = Notifier(
            book=self.book,
            witness=self.witness,
            sender=self.root,
            now=lambda: self.now,
            host="web1",
            terms=terms,
        )

    def fail(self, unit: str = "a.service", status: str = "1") -> str:
        return self.notifier.failed(failed(unit, self.now, status))

    def round(self, *, later: timedelta = timedelta(0)) -> list[str]:
        self.now += later
        return list(self.notifier.round())

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        self.root.closed = True
        yield
        self.root.closed = False

    def on_record(self) -> dict[str, int]:
        with self.book.open() as pages:
            return {tally.unit: tally.count for tally in pages.tallies()}
