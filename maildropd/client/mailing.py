# SPDX-License-Identifier: Apache-2.0
"""One mail to many, as gs.email has it: in batches, under one Message-ID."""

import os
import socket
import time
from collections.abc import Iterable, Iterator

from maildropd.client.preparing import listed, prepared, with_crlf
from maildropd.client.values import Submission
from maildropd.mail.address import unique
from maildropd.mail.message import message_id

BATCH = 50


def batches(
    sender: str, recipients: str | Iterable[str], octets: bytes, *, xverp: bool
) -> Iterator[Submission]:
    """Yield a submission for each batch; all are checked before the first is."""
    named = unique(listed(recipients))
    if not named:
        return
    content = with_crlf(octets)
    if message_id(content) is None:
        content = _new_id() + content
    for start in range(0, len(named), BATCH):
        batch = named[start : start + BATCH]
        yield prepared(content, sender, batch, {"verp": xverp})


def _new_id() -> bytes:
    token = f"{time.time_ns():x}.{os.urandom(10).hex()}"
    return f"Message-ID: <{token}@{socket.gethostname()}>\r\n".encode()
