# SPDX-License-Identifier: Apache-2.0
"""A daemon, its drop, and who got which mail: what a user of a framework sees."""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maildropd.api import Door
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

SENDER = "shop@example.org"

Send = Callable[..., Any]  # send a mail with this subject


def mail(name: str) -> bytes:
    """Return a message with a subject of its own."""
    return b"Subject: %s\r\n\r\nhello\r\n" % name.encode()


def in_child(act: Callable[[], Any]) -> None:
    """Do something in a child that was forked just now, and ends at once."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


class Post:
    """The daemon runs, or not: mail can be left either way."""

    def __init__(self, daemon: DaemonProcess, server: SmtpServer) -> None:
        self.daemon = daemon
        self.server = server
        self.drop = daemon.drop
        self.quarantine = daemon.folder / "quarantine"
        self.door = Door(run=daemon.folder / "run", drop=daemon.drop)
        self.environment = {
            "MAILDROP_RUN": self.door.run,
            "MAILDROP_DROP": self.door.drop,
        }

    def files(self) -> list[Path]:
        """Everything in the drop, hidden or not."""
        return sorted(self.drop.iterdir())

    def hidden(self) -> list[Path]:
        """What was staged, and neither released nor discarded."""
        return [each for each in self.files() if each.name.startswith(".")]

    def delivered(self, count: int) -> Counter[str]:
        """Run the daemon until so many mails have come, and nothing is left.

        Return how often each subject came.
        """
        if count == 0:  # a daemon takes nothing of what is hidden
            assert self.files() == self.hidden()
            return self.subjects()
        self.daemon.start()
        self.server.wait(lambda server: len(server.delivered) >= count)
        self.daemon.until(self._is_done, "end of the work")
        assert self.daemon.stop() == 0
        return self.subjects()

    def leaving(self) -> Counter[str]:
        """Count the mails in the drop that a daemon would take, by subject."""
        contents = [each.read_bytes() for each in self.files() if each.name[0] != "."]
        found = re.findall(rb"^Subject: (\S+)", b"".join(contents), re.MULTILINE)
        return Counter(subject.decode() for subject in found)

    def subjects(self) -> Counter[str]:
        """Count the mails that the smarthost took, by subject."""
        return Counter(_subject(each.content) for each in self.server.delivered)

    def _is_done(self) -> bool:
        done = self.daemon.count("MessageDone")
        left = len(self.files()) - len(self.hidden())
        return left == 0 and done == self.daemon.count("MessageAccepted")


def _subject(content: bytes) -> str:
    head = content.partition(b"\r\n\r\n")[0].decode()
    lines = [line for line in head.splitlines() if line.startswith("Subject: ")]
    return lines[0].removeprefix("Subject: ")
