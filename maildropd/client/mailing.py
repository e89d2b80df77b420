# SPDX-License-Identifier: Apache-2.0
"""One mail to many, as gs.email has it: in batches, under one Message-ID."""

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from maildropd.client.errors import SubmissionError
from maildropd.client.preparing import listed, prepared, with_crlf
from maildropd.client.values import Submission
from maildropd.mail.address import unique
from maildropd.mail.message import message_id, split

BATCH = 50


class Batches:
    """All batches of one mail, and what became of them."""

    def __init__(
        self,
        sender: str,
        recipients: str | Iterable[str],
        octets: bytes,
        *,
        xverp: bool,
    ) -> None:
        """Check everything; raise ``BadMessage``."""
        self.all = tuple(_batches(sender, recipients, octets, xverp=xverp))
        self._failed: list[tuple[Submission, SubmissionError]] = []

    @contextmanager
    def tried(self, one: Submission) -> Iterator[None]:
        """Let one that fails stop no other."""
        try:
            yield
        except SubmissionError as error:
            self._failed.append((one, error))

    def finish(self) -> None:
        """Raise the first error that there was."""
        if self._failed:
            _, error = self._failed[0]
            error.unsent = tuple(
                recipient for one, _ in self._failed for recipient in one.recipients
            )
            raise error


def _batches(
    sender: str, recipients: str | Iterable[str], octets: bytes, *, xverp: bool
) -> Iterator[Submission]:
    named = unique(listed(recipients))
    if not named:
        return
    content = with_crlf(octets)
    if message_id(content) is None:
        # Without a header its first line may look like a fold of ours.
        content = _new_id() + (b"" if split(content) else b"\r\n") + content
    whole = prepared(content, sender, named, {"verp": xverp})
    for start in range(0, len(named), BATCH):
        key = os.urandom(16).hex()
        yield whole.replaced(recipients=named[start : start + BATCH], key=key)


def _new_id() -> bytes:
    token = f"{time.time_ns():x}.{os.urandom(10).hex()}"
    return f"Message-ID: <{token}@{socket.gethostname()}>\r\n".encode()
