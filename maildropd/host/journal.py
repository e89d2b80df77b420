# SPDX-License-Identifier: Apache-2.0
"""Where events go: the journal, standard error, or a syslog.

What cannot be written at once is dropped and counted, and the count is
reported as soon as there is room: a log that stalls never stalls the mail.
"""

import os
import stat
import threading
from typing import Protocol

from maildropd.host import journald, stream
from maildropd.host.clock import Clock, SystemClock
from maildropd.mail.event import Event
from maildropd.mail.service_events import JournalLagged

FORMATS = ("journal", "text", "json")


class Sink(Protocol):
    """Takes one event at a time, from any thread."""

    def __call__(self, event: Event) -> bool:
        """Write it at once; return False if it was lost."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class EventJournal:
    """A ``Journal`` on a sink, which remembers how many events were lost."""

    def __init__(self, sink: Sink) -> None:
        """Write to the sink."""
        self._sink = sink
        self._lock = threading.Lock()
        self._dropped = 0

    def emit(self, event: Event) -> None:
        """Write one event, or count it as lost."""
        if not self._sink(event):
            self._lost(1)
        elif self._dropped:
            self._confess()

    def close(self) -> None:
        """Write nothing more."""
        self._sink.close()

    def _confess(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped and not self._sink(JournalLagged(dropped=dropped)):
            self._lost(dropped)

    def _lost(self, number: int) -> None:
        with self._lock:
            self._dropped += number


def open_journal(
    log_format: str | None, *, detached: bool = False, clock: Clock | None = None
) -> EventJournal:
    """Return the journal that was asked for, or the one that fits.

    A detached daemon whose stderr is nobody's writes to the journal if there
    is one, else to the syslog.
    """
    clock = clock or SystemClock()
    if log_format is None:
        log_format = _fitting(detached=detached)
    match log_format:
        case "journal":
            return EventJournal(journald.Journald())
        case "syslog":
            return EventJournal(stream.Syslog(clock))
        case "json":
            return EventJournal(stream.Stream(2, stream.as_json, clock))
        case _:
            return EventJournal(stream.Stream(2, stream.as_text, clock))


def _fitting(*, detached: bool) -> str:
    if journald.is_our_stderr(os.environ.get("JOURNAL_STREAM")):
        return "journal"
    if not detached or _is_kept(2):
        return "text"
    return "journal" if os.path.exists(journald.SOCKET) else "syslog"


def _is_kept(fd: int) -> bool:
    """Tell whether what is written here stays: in a file, or at a reader's."""
    try:
        return not stat.S_ISCHR(os.fstat(fd).st_mode)
    except OSError:
        return False
