# SPDX-License-Identifier: Apache-2.0
"""Events as lines: on standard error, or to a syslog of the old kind.

Each event is one line whatever its values hold, so that a file name cannot
forge the log.
"""

import json
import os
import select
import socket
import threading
from collections.abc import Callable
from datetime import datetime

from maildropd.host.clock import Clock
from maildropd.host.journald import described
from maildropd.mail.event import Event

SYSLOG = "/dev/log"
_FACILITY_MAIL = 2

Form = Callable[[Event, datetime], str]


class Stream:
    """Writes lines to a file descriptor, and gives up rather than wait."""

    def __init__(self, fd: int, form: Form, clock: Clock) -> None:
        """Write to ``fd`` in one of the forms below."""
        self._fd = fd
        self._lock = threading.Lock()
        self._form = form
        self._clock = clock

    def __call__(self, event: Event) -> bool:
        """Write; False if the line was lost."""
        line = self._form(event, self._clock.wall()) + "\n"
        octets = line.encode("utf-8", "backslashreplace")
        # One at a time: the last room in a pipe is room for one.
        with self._lock:
            return self._written(octets)

    def _written(self, octets: bytes) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        try:
            # A pipe that is ready takes 4 KiB at once; hardly any line is longer.
            if not poll.poll(0):
                return False
            os.write(self._fd, octets)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Leave the descriptor to its owner."""


class Syslog:
    """Sends to /dev/log, for a detached daemon where there is no journal."""

    def __init__(self, clock: Clock, path: str = SYSLOG) -> None:
        """Send to this socket; it need not be there yet."""
        self._clock = clock
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self, event: Event) -> bool:
        """Send; False if the event was lost."""
        level = _FACILITY_MAIL << 3 | event.priority
        at = self._clock.wall().astimezone().strftime("%b %e %H:%M:%S")
        line = f"<{level}>{at} maildropd[{os.getpid()}]: {_one_line(event.text())}"
        try:
            self._socket.sendto(line.encode("utf-8", "backslashreplace"), self._path)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()


def as_text(event: Event, at: datetime) -> str:
    """Return the time and the text."""
    return f"{_shown(at)} {_one_line(event.text())}"


def as_json(event: Event, at: datetime) -> str:
    """Return an object with the fields of the journal, and TIME."""
    return json.dumps({"TIME": _shown(at), **described(event)})


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
