# SPDX-License-Identifier: Apache-2.0
"""The queue processors of zope.sendmail and repoze.sendmail, by their names.

Not needed where maildropd has the Maildir; beside it, they do no harm.
"""

import threading
from pathlib import Path
from typing import Any

from maildropd.foreign.maildirs.processing import Mailer, Processor
from maildropd.foreign.maildirs.writing import Maildir
from maildropd.integrations.telling import Told, log

_INTERVAL = 3.0  # seconds


class QueueProcessor:
    """Sends what lies in a Maildir, once each time it is asked."""

    def __init__(
        self,
        mailer: Mailer,
        queue_path: str,
        Maildir: object = None,
        ignore_transient: bool = False,
    ) -> None:
        """Know mailer and Maildir; any other class of Maildir is not used."""
        del Maildir
        self._processor = Processor(
            mailer, Path(queue_path), log(), quiet=ignore_transient
        )

    def send_messages(self) -> None:
        """Send what can be sent now."""
        self._processor.work(lambda: True)


class QueueProcessorThread(threading.Thread):
    """Does so every few seconds."""

    def __init__(self, interval: float = _INTERVAL) -> None:
        """Be told of mailer and path before it is started."""
        super().__init__(name="maildropd-queue-processor", daemon=True)
        self.interval = interval
        self.mailer: Mailer | None = None
        self._path: Path | None = None
        self._stopping = threading.Event()
        self._working = threading.Lock()

    def setMailer(self, mailer: Mailer) -> None:
        """Send by this."""
        self.mailer = mailer

    def setQueuePath(self, path: str) -> None:
        """Send what lies here."""
        self._path = Maildir(Path(path)).path

    def setMaildir(self, maildir: Any) -> None:
        """Send what lies in this one."""
        self._path = Path(maildir.path)

    def run(self, forever: bool = True) -> None:
        """Send, wait, and send again, until it is stopped."""
        if self._path is None or self.mailer is None:
            raise RuntimeError("setMailer and setQueuePath come first")
        processor = Processor(self.mailer, self._path, log())
        while not self._stopping.is_set():
            with self._working, Told("processed"):
                processor.work(self._goes_on)
            if not forever:
                break
            self._stopping.wait(self.interval)

    def stop(self) -> None:
        """Begin no other mail, and wait for the one that is being sent."""
        self._stopping.set()
        with self._working:
            pass

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()
