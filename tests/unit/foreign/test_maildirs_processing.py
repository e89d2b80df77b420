# SPDX-License-Identifier: Apache-2.0
"""A Maildir that is worked through, by a mailer that has trouble."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.command import SendmailCommandReturnedNonZero
from maildropd.foreign.maildirs.processing import Processor
from maildropd.foreign.maildirs.writing import Maildir

LOG = logging.getLogger(__name__)
Answer = Exception | Mapping[str, tuple[int, bytes]] | None


class Answering:
    """A mailer that takes down whom it served, and answers as it was told."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    def send(
        self, _fromaddr: str, toaddrs: Sequence[str], _message: bytes
    ) -> Mapping[str, tuple[int, bytes]] | None:
        self.asked.append(list(toaddrs))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def leave(queue: Path, *recipients: str, age: int = 0) -> Path:
    """Queue a mail; return its file."""
    letter = Maildir(queue).write(forms.zope("a@x", recipients, b"Subject: t\n\nx\n"))
    letter.commit()
    os.utime(letter.path, (-age, -age))
    return letter.path


def names(queue: Path) -> list[str]:
    return os.listdir(queue / "new")


@pytest.mark.parametrize(
    "error",
    [SendmailCommandReturnedNonZero(75, ["sendmail"]), TimeoutExpired("sendmail", 300)],
)
def test_a_sendmail_that_fails_holds_up_no_other_mail(
    tmp_path: Path, error: Exception
) -> None:
    queue = tmp_path / "queue"
    first = leave(queue, "b@x", age=1)
    leave(queue, "c@x")
    mailer = Answering(error)
    processor = Processor(mailer, queue, LOG)

    processor.work(lambda: True)
    processor.work(lambda: True)

    assert mailer.asked == [["b@x"], ["c@x"]]
    assert names(queue) == [first.name]
