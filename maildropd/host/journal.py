# SPDX-License-Identifier: Apache-2.0
"""Where events go: the journal, standard error, or a syslog.

What cannot be written at once waits in memory, or beyond a bound is counted:
a log that stalls never stalls the mail.
"""

import os
import stat
import threading
from collections import deque
from typing import Protocol

from maildropd.host import journald, stream
from maildropd.host.clock import Clock, SystemClock
from maildropd.mail.event import Event
from maildropd.mail.service_events import JournalLagged

FORMATS = ("journal", "text", "json")
BACKLOG = 10_000  # events, some 10 MB
_GLANCES = 40
_GLANCE = 0.05  # seconds


class Sink(Protocol):
    """Takes one event at a time, from any thread."""

    def __call__(self, event: Event) -> bool:
        """Write it at once; return False if there is no room now."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class EventJournal:
    """A ``Journal`` on a sink; what the sink cannot take now waits its turn.

    Nobody waits with it.  Beyond ``BACKLOG`` events are counted only, and the
    count is told when there is room again.
    """

    def __init__(self, sink: Sink) -> None:
        """Write to the sink."""
        self._sink = sink
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._dropped = 0

    def emit(self, event: Event) -> None:
        """Write one event, or keep it for later."""
        if not self._waiting and self._sink(event):
            return
        with self._lock:
            if len(self._waiting) < BACKLOG:
                self._waiting.append(event)
            else:
                self._dropped += 1
        self.catch_up()

    def catch_up(self) -> bool:
        """Write what waits, as far as it goes; return whether that was all."""
        with self._lock:
            while self._waiting and self._sink(self._waiting[0]):
                self._waiting.popleft()
            if self._waiting:
                return False
            if self._dropped and self._sink(JournalLagged(dropped=self._dropped)):
                self._dropped = 0
            return not self._dropped

    def close(self) -> None:
        """Write what still waits, for a moment, and then nothing more."""
        pause = threading.Event()
        for _ in range(_GLANCES):
            if self.catch_up():
                break
            pause.wait(_GLANCE)
        self._sink.close()


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
