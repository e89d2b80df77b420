# SPDX-License-Identifier: Apache-2.0
"""Events to systemd's journal, in its native protocol, without ever waiting.

libsystemd's own call waits, with the interpreter's lock held, while journald
does not listen: every thread would stop, and the watchdog would kill us for
journald's fault.  So a datagram goes out at once or is given back.
"""

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator, Mapping

from maildropd.mail.event import Event

SOCKET = "/run/systemd/journal/socket"
_FACILITY_MAIL = "2"
_CUT = 2048  # characters of a value that nothing can send whole


class Journald:
    """Takes one event at a time, from any thread."""

    def __init__(self, path: str = SOCKET) -> None:
        """Send to this socket; it need not be there yet."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self, event: Event) -> bool:
        """Send; False if there is no room now."""
        fields = described(event)
        try:
            self._socket.sendto(encoded(fields), self._path)
        except OSError as error:
            return error.errno == errno.EMSGSIZE and self._send_large(fields)
        return True

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()

    def _send_large(self, fields: Mapping[str, str]) -> bool:
        """Let libsystemd pass what fits no datagram, as it does: in a file."""
        if not self._listens():
            return False
        try:
            from systemd import journal  # noqa: PLC0415 - 35 ms, hardly ever needed

            journal.sendv(*_assignments(fields))
        except (ImportError, OSError):
            return self._send_short(fields)
        return True

    def _send_short(self, fields: Mapping[str, str]) -> bool:
        """Send the beginnings of all values; better than nothing."""
        short = {key: value[:_CUT] for key, value in fields.items()}
        try:
            self._socket.sendto(encoded(short), self._path)
        except OSError as error:
            # What never fits is given up, so that nothing waits behind it.
            return error.errno == errno.EMSGSIZE
        return True

    def _listens(self) -> bool:
        """Tell whether the journal has room in its queue, so that nothing waits."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._path)
            except OSError:
                return False
            poll = select.poll()
            poll.register(probe, select.POLLOUT)
            return bool(poll.poll(0))


def described(event: Event) -> dict[str, str]:
    """Return all fields of an entry."""
    return {
        "MESSAGE": event.text(),
        "PRIORITY": str(int(event.priority)),
        "MESSAGE_ID": event.event_id,
        "SYSLOG_IDENTIFIER": "maildropd",
        "SYSLOG_FACILITY": _FACILITY_MAIL,
        **event.fields(),
    }


def encoded(fields: Mapping[str, str]) -> bytes:
    """Return an entry's datagram; a value with a line end tells its length."""
    text = "\n".join([f"{key}={value}" for key, value in fields.items()]) + "\n"
    if text.count("\n") == len(fields):
        return _octets(text)
    return b"".join(
        key.encode("ascii") + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        for key, value in ((key, _octets(text)) for key, text in fields.items())
    )


def _assignments(fields: Mapping[str, str]) -> Iterator[bytes]:
    """Yield what libsystemd takes."""
    for key, value in fields.items():
        yield key.encode("ascii") + b"=" + _octets(value)


def is_our_stderr(stream: str | None) -> bool:
    """Tell whether ``$JOURNAL_STREAM`` means that the journal reads our stderr."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def _octets(text: str) -> bytes:
    # A file name may hold octets that are no text; they are shown, not sent.
    return text.encode("utf-8", "backslashreplace")
