# SPDX-License-Identifier: Apache-2.0
"""A Maildir on a stage, and the other program that sends from it."""

import os
from datetime import timedelta
from pathlib import Path

from tests.unit.spool.stage import Stage

CONTENT = b"Subject: hi\n\nhello\n"
ZOPE = b"X-Zope-From: a@x.example\nX-Zope-To: b@x.example\n" + CONTENT
NAME = "1764336000.42.host.12345"
LOCKS = [".sending-", ".sending_"]


def aged(path: Path, queue: Stage, age: timedelta) -> None:
    """Let the last change of a file lie back so far."""
    then = (queue.clock.time - age).timestamp()
    os.utime(path, (then, then))


def linked(queue: Stage, prefix: str, age: timedelta = timedelta(0)) -> Path:
    """Let another program begin to send a mail, as zope.sendmail does."""
    mail = queue.write(NAME, ZOPE)
    mark = queue.path / f"{prefix}{NAME}"
    mark.hardlink_to(mail)
    aged(mark, queue, age)
    return mark
