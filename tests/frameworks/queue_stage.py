# SPDX-License-Identifier: Apache-2.0
"""A Maildir between a program of others and the real daemon, and who got its mail."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path

from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DEADLINE, DaemonProcess

HOURS = 3600.0


class Queue:
    """The Maildir, and a smarthost that takes all that comes from it."""

    def __init__(self, folder: Path, server: SmtpServer) -> None:
        self.path = folder / "mailqueue"
        self.server = server
        self._folder = folder

    @contextmanager
    def served(self, config: str = "") -> Iterator[DaemonProcess]:
        """Run the daemon on it."""
        spool = (
            f"[spool site]\nform = maildir\npath = {self.path}\n"
            f"settle_time = 0\npoll_interval = 200ms\n{config}"
        )
        daemon = DaemonProcess(self._folder, self.server.port, spool)
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()

    def names(self, folder: str = "new") -> list[str]:
        return sorted(os.listdir(self.path / folder))

    def arrived(self, count: int) -> Counter[str]:
        """Wait for so many mails; return how often each subject came."""
        self.server.wait(lambda server: len(server.delivered) >= count, DEADLINE)
        return Counter(subject(taken.content) for taken in self.server.delivered)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look again and again until something holds."""
        end = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < end, f"no {what}: {self.names()}"
            self.server.stopping.wait(0.02)


def subject(content: bytes) -> str:
    return str(message_from_bytes(content)["Subject"])


def aged(path: Path, seconds: float) -> None:
    """Let the last change of a file lie back so far."""
    then = time.time() - seconds
    os.utime(path, (then, then))
