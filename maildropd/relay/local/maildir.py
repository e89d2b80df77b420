# SPDX-License-Identifier: Apache-2.0
"""Mail that must not get out, into a Maildir: for staging, and for tests.

A name says which message it is, and for whom.  So an attempt whose outcome was
lost in a crash finds its file, and makes no second one.
"""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from maildropd.host import durable
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.local.local_form import field, return_path, unix_lines

_LIMIT = timedelta(minutes=2)  # for one message; a disk may be slow
_PARTS = (".", "tmp", "new", "cur")


class MaildirTransport:
    """Writes each message once, for all its recipients; see ``Transport``."""

    def __init__(self, path: Path, hostname: str) -> None:
        """Take the Maildir, which is made when the first message comes."""
        self._path = path
        self._relay = f"maildir:{path}"
        self._host = hostname.replace("/", "_").replace(":", "_")

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Write it; whatever the disk says is trouble of the way, and mail waits."""
        alive(_LIMIT)
        name = self._name(delivery)
        try:
            for part in _PARTS:
                durable.make_directory(self._path / part)
            with suppress(FileExistsError):  # by the attempt before
                durable.create(
                    self._path / "new" / name,
                    _pieces(delivery),
                    unfinished=self._path / "tmp" / name,
                )
        except OSError as error:
            raise RouteError(str(error), _reply(error, self._path)) from error
        reply = Reply(250, "2.0.0", f"captured as {name}")
        return (Outcome.here(reply, self._relay),) * len(delivery.recipients)

    def close(self) -> None:
        """There is nothing to let go of."""

    def abort(self) -> None:
        """A file is written whole, or not at all."""

    def _name(self, delivery: Delivery) -> str:
        envelope = delivery.envelope
        whom = hashlib.sha256("\n".join(delivery.recipients).encode()).hexdigest()
        seconds = int(envelope.arrived.timestamp())
        return f"{seconds}.{envelope.queue_id}_{whom[:12]}.{self._host}"


def _pieces(delivery: Delivery) -> Iterator[bytes]:
    """Yield the message below its envelope, which nothing else would tell."""
    yield return_path(delivery)
    for recipient in delivery.recipients:
        yield field("X-Original-To", recipient)
    yield from unix_lines(delivery.content())


def _reply(error: OSError, path: Path) -> Reply:
    text = f"{error.filename or path}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Reply(452, "4.3.1", text)
    return Reply(451, "4.3.0", text)
