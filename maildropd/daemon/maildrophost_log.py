# SPDX-License-Identifier: Apache-2.0
"""The log of MaildropHost, written beside our own while mail is moving.

A thread writes it, so that a disk which hangs holds up no delivery.  It is
open from the first outcome until none has come for a while, never longer than
ten seconds: rotating it needs no signal.
"""

import errno
import os
import stat
import threading
from collections import deque
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from maildropd.daemon.engine import PatientJournal
from maildropd.daemon.maildrophost_lines import finished, is_told, lines, started
from maildropd.host.clock import Clock
from maildropd.mail.event import Event, Journal
from maildropd.mail.host_events import ForeignLogFailed

MODE = 0o640
BACKLOG = 10_000  # events, some 10 MB

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUIET = timedelta(seconds=1)
_LONGEST = timedelta(seconds=10)
_PATIENCE = timedelta(seconds=5)  # with a disk, at the end


class MaildropHostLog:
    """Takes events from any thread, and writes those that it has words for."""

    def __init__(
        self, path: Path, journal: Journal, clock: Clock, quiet: timedelta = _QUIET
    ) -> None:
        """Write to this file; trouble with it is told in our own log, once."""
        self._path = path
        self._journal = journal
        self._clock = clock
        self._quiet = quiet
        self._waiting: deque[Event] = deque()
        self._came = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lost = 0
        self._trouble = ""

    def take(self, event: Event) -> None:
        """Have an event written, soon; never wait, never raise."""
        if not is_told(event):
            return
        if len(self._waiting) >= BACKLOG:
            self._lost += 1
            return
        self._waiting.append(event)
        self._came.set()
        if self._thread is None:
            self._begin()

    def close(self) -> None:
        """Write what is left, for a moment, and then nothing more."""
        self._closed = True
        self._came.set()
        if self._thread:
            self._thread.join(_PATIENCE.total_seconds())

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                # A daemon thread: a disk that hangs is no reason to stay.
                thread = threading.Thread(
                    target=self._run, name="maildrophost-log", daemon=True
                )
                # Without a thread to be had, the next event asks again.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        while self._waiting or not self._closed:
            self._came.wait()
            self._came.clear()
            if self._waiting:
                self._burst()

    def _burst(self) -> None:
        try:
            with _LogFile(self._path) as file:
                file.write(started(self._clock.wall()))
                self._write(file)
                file.write(finished(self._clock.wall()))
        except OSError as error:
            # All of it is in our own log, so what nobody can write is let go.
            self._waiting.clear()
            self._tell(error.strerror or str(error))
        else:
            lost, self._lost = self._lost, 0
            self._trouble = ""
            if lost:
                self._tell(f"it is too slow, {lost} outcomes are missing")

    def _write(self, file: "_LogFile") -> None:
        """Write until nothing has come for a while, or it has been long."""
        end = self._clock.monotonic() + _LONGEST
        while True:
            events = [self._waiting.popleft() for _ in range(len(self._waiting))]
            file.write(lines(events, self._clock.wall()))
            if self._closed or self._clock.monotonic() > end:
                return
            if not self._came.wait(self._quiet.total_seconds()):
                return
            self._came.clear()

    def _tell(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            self._journal.emit(ForeignLogFailed(path=str(self._path), reason=reason))


class _LogFile:
    """A file that is added to; a piece that does not fit leaves nothing behind."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as undo:
            self._descriptor = _opened(path)
            undo.callback(os.close, self._descriptor)
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no plain file")
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def write(self, text: str) -> None:
        size = os.fstat(self._descriptor).st_size
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with suppress(OSError):  # we are on the way out with the first error
                os.ftruncate(self._descriptor, size)
            raise


def _opened(path: Path) -> int:
    with suppress(FileNotFoundError):
        return os.open(path, _FLAGS)
    descriptor = os.open(path, _FLAGS | os.O_CREAT, MODE)
    os.fchmod(descriptor, MODE)  # whatever the umask takes away
    return descriptor


class Copying:
    """A journal whose outcomes also go to the log of MaildropHost."""

    def __init__(self, journal: PatientJournal, log: MaildropHostLog) -> None:
        """Take both; the journal is closed by its owner."""
        self._journal = journal
        self._log = log

    def emit(self, event: Event) -> None:
        """Write one event to both."""
        self._journal.emit(event)
        self._log.take(event)

    def catch_up(self) -> bool:
        """Write what waits for the journal; return whether that was all."""
        return self._journal.catch_up()
