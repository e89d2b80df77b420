# SPDX-License-Identifier: Apache-2.0
"""Files of aliases: each message is appended, in mbox form, whole or not at all.

An attempt whose outcome was lost in a crash appends again.  Nothing but a plain
file of root's or our own is written to, whatever a name has become.
"""

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.envelope import Terms
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.local.local_form import field, mbox_form, return_path, unix_lines
from maildropd.relay.local.one_by_one import one_by_one

_LIMIT = timedelta(minutes=2)  # for one message; a disk may be slow
_RELAY = "file"
_TRIES = 50  # for the lock
_PAUSE = 0.1  # seconds between two of them
_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_NOCTTY
    | os.O_CLOEXEC
)


class FileTransport:
    """Appends to what the terms of each recipient name; see ``Transport``."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._stopped = threading.Event()

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Append to one after the other; trouble of one is no trouble of the way."""

        def serve(recipient: str, terms: Terms) -> Outcome:
            alive(_LIMIT)
            return self._append(Path(terms.run), delivery, recipient)

        return one_by_one(delivery, _RELAY, serve)

    def close(self) -> None:
        """Nothing is kept between two messages."""

    def abort(self) -> None:
        """Wait for no lock any more."""
        self._stopped.set()

    def _append(self, path: Path, delivery: Delivery, recipient: str) -> Outcome:
        try:
            descriptor = os.open(path, _FLAGS, 0o600)
            try:
                trouble = _unfit(descriptor) or self._locked(descriptor, path)
                if trouble:
                    return Outcome.of(Reply(451, "4.2.0", f"{path} {trouble}"), _RELAY)
                size = os.fstat(descriptor).st_size
                end = os.pread(descriptor, 2, max(size - 2, 0))
                durable.extend(descriptor, _pieces(delivery, recipient, end))
                if not size:
                    durable.sync_directory(path.parent)
            finally:
                os.close(descriptor)
        except OSError as error:
            return _unable(error, path)
        return Outcome.here(Reply(250, "2.0.0", f"appended to {path}"), _RELAY)

    def _locked(self, descriptor: int, path: Path) -> str:
        """Lock it; say what is wrong if it stays locked, or is another by then."""
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._stopped.wait(_PAUSE):
                    break
            else:
                mine, there = os.fstat(descriptor), os.lstat(path)
                same = os.path.samestat(mine, there)
                return "" if same else "was replaced meanwhile"
        return "is locked by another program"


def _unfit(descriptor: int) -> str:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return "is not a plain file"
    if found.st_nlink != 1:
        return "has several names"
    if found.st_uid not in (0, os.geteuid()):
        return "belongs neither to root nor to the daemon's user"
    return ""


def _pieces(delivery: Delivery, recipient: str, end: bytes) -> Iterator[bytes]:
    """Yield the message in mbox form, behind what a file ends in now."""
    envelope = delivery.envelope
    yield _gap(end)
    sender = envelope.reverse_path or "MAILER-DAEMON"
    sender = "".join(each if each.isprintable() else " " for each in sender)
    date = time.asctime(envelope.arrived.utctimetuple())
    yield f"From {sender.replace(' ', '_')} {date}\n".encode()
    yield return_path(delivery, recipient)
    yield field("Delivered-To", recipient)
    yield from mbox_form(unix_lines(delivery.content()))


def _gap(end: bytes) -> bytes:
    """Return what is missing of an empty line, as after a write that was cut."""
    if end.endswith(b"\n\n") or not end:
        return b""
    return b"\n" if end.endswith(b"\n") else b"\n\n"


def _unable(error: OSError, path: Path) -> Outcome:
    text = f"{error.filename or path}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Outcome.of(Reply(452, "4.3.1", text), _RELAY)
    return Outcome.of(Reply(451, "4.2.0", text), _RELAY)
