# SPDX-License-Identifier: Apache-2.0
"""A Maildir that is worked through, by a mailer that has trouble."""

import errno
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired

import pytest

from maildropd.foreign.maildirs import forms, processing
from maildropd.foreign.maildirs.command import SendmailCommandReturnedNonZero
from maildropd.foreign.maildirs.processing import Processor
from maildropd.foreign.maildirs.writing import Letter, Maildir

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


NOT_ALL = {"grey@x": (450, b"later"), "gone@x": (550, b"never")}


@pytest.mark.parametrize("room", [0, 1])
def test_while_the_disk_is_full_nobody_gets_a_mail_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Who was refused cannot be kept; the mail stays, but who has it has it."""
    queue = tmp_path / "queue"
    leave(queue, "ok@x", "grey@x", "gone@x")
    mailer = Answering(NOT_ALL)
    monkeypatch.setattr(processing, "_FIRST", 0.0)
    processor = Processor(mailer, queue, LOG)
    really, has_room = Maildir.write, [True] * room + [False] * 2

    def write(maildir: Maildir, content: bytes) -> Letter:
        if not has_room.pop(0):
            raise OSError(errno.ENOSPC, "no space left on device")
        return really(maildir, content)

    monkeypatch.setattr(Maildir, "write", write)
    processor.work(lambda: True)
    processor.work(lambda: True)
    assert mailer.asked == [["ok@x", "grey@x", "gone@x"]]

    monkeypatch.setattr(Maildir, "write", really)
    processor.work(lambda: True)
    processor.work(lambda: True)

    assert mailer.asked[1:] == [["grey@x"]]
    (rejected,) = names(queue)
    assert b"X-Zope-To: gone@x\n" in (queue / "new" / rejected).read_bytes()


def test_a_mail_that_cannot_be_removed_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory is read-only since, or the disk has an error."""
    queue = tmp_path / "queue"
    file = leave(queue, "ok@x")
    mailer = Answering()
    processor = Processor(mailer, queue, LOG)
    unlink = Path.unlink

    def refusing(path: Path, **options: bool) -> None:
        if path == file:
            raise PermissionError(errno.EACCES, "no")
        unlink(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refusing)
        with pytest.raises(PermissionError):
            processor.work(lambda: True)
    processor.work(lambda: True)

    assert mailer.asked == [["ok@x"]]
    assert names(queue) == []
