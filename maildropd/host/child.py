# SPDX-License-Identifier: Apache-2.0
"""A program that is run for somebody: bounded in time and words, killed as a group.

It is over when its first process ends: what it leaves behind in its group is
killed then, so that no mail leaves a process behind.
"""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from maildropd.host.clock import Clock

_HEARD = 4096  # octets of its output that are kept; the rest is read, and forgotten
_BLOCK = 65536
_REAPED = 5.0  # seconds; what SIGKILL does not end within that hangs in the kernel


class End(Enum):
    """Why it is over."""

    OWN = auto()  # it ended by itself, whatever it thinks of it
    TIME = auto()  # its time was over
    STOPPED = auto()  # somebody else stopped it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of it."""

    end: End
    code: int  # its exit code; of a signal, the negative number
    output: bytes  # the beginning of what it wrote, to stdout and stderr


class Child:
    """One program, running; ``wait`` must follow."""

    def __init__(
        self, words: Sequence[str], stdin: int, environment: Mapping[str, str]
    ) -> None:
        """Start it; raise ``OSError`` if that cannot be, or ``ValueError`` for a NUL.

        The first word is its path; there is no shell, and no other environment.
        """
        self._lock = threading.Lock()
        self._stopped = False
        self._reaped = False
        with ExitStack() as undo:
            reading, writing = os.pipe()
            undo.callback(os.close, reading)
            try:
                self._process = subprocess.Popen(  # noqa: S603 (no shell; that is its task)
                    words,
                    stdin=stdin,
                    stdout=writing,
                    stderr=writing,
                    cwd="/",
                    env=environment,
                    process_group=0,
                )
            finally:
                os.close(writing)
            self._output = reading
            undo.pop_all()

    def stop(self) -> None:
        """Kill it; the one call other threads may make."""
        with self._lock:
            self._stopped = True
            self._kill()

    def wait(self, limit: timedelta, clock: Clock) -> Ended:
        """Return when it has ended, which it has for sure when its time is over."""
        heard = bytearray()
        try:
            in_time = self._listen(heard, clock.monotonic() + limit, clock)
        finally:
            with self._lock:
                self._kill()  # before it is reaped: its number is still its own
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_REAPED)
                self._reaped = True
            os.close(self._output)  # not before: it would end by SIGPIPE
        end = End.OWN if in_time else End.TIME
        code = self._process.returncode
        return Ended(
            end=End.STOPPED if self._stopped else end,
            code=-signal.SIGKILL if code is None else code,
            output=bytes(heard),
        )

    def _listen(self, heard: bytearray, until: timedelta, clock: Clock) -> bool:
        """Read what it says until it ends; return whether it did, in its time."""
        descriptor = os.pidfd_open(self._process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.register(self._output, select.POLLIN)
            os.set_blocking(self._output, False)
            while (left := until - clock.monotonic()) > timedelta(0):
                ready = dict(poll.poll(left / timedelta(milliseconds=1)))
                if self._output in ready and not self._read(heard):
                    poll.unregister(self._output)
                if descriptor in ready:
                    self._read(heard)  # what it said last
                    return True
        finally:
            os.close(descriptor)
        return False

    def _read(self, heard: bytearray) -> bool:
        """Take what is there; return whether more may come."""
        try:
            block = os.read(self._output, _BLOCK)
        except BlockingIOError:
            return True
        heard += block[: _HEARD - len(heard)]
        return bool(block)

    def _kill(self) -> None:
        if not self._reaped:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
