# SPDX-License-Identifier: Apache-2.0
"""What a daemon has stored, read from its files."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from maildropd import api
from maildropd.mail.envelope import QueueId
from maildropd.store.rows import number as row_of
from tests.integration.daemon import DaemonProcess

# What the daemon adds has a time and chance in it, and names the door.
OURS = re.compile(rb"^(Received|Date|Message-ID): [^\r\n]*", re.MULTILINE)

Mail = tuple[str | None, list[str], bytes]


def only_drop(door: api.Door) -> api.Door:
    """Return the same without a socket."""
    return api.Door(run="/nowhere", drop=door.drop)


def stored(daemon: DaemonProcess) -> list[Mail]:
    """Return what is stored, in the order in which it came."""
    state = daemon.folder / "state"
    with closing(sqlite3.connect(state / "queue.db")) as database:
        ask = database.execute
        messages = ask("SELECT * FROM message ORDER BY queue_id").fetchall()
        return [(row[1], *_of(ask, state, row[0], row[9])) for row in messages]


def _of(
    ask: Callable[..., sqlite3.Cursor], state: Path, queue_id: str, file: str | None
) -> tuple[list[str], bytes]:
    query = "SELECT forward_path FROM recipient WHERE queue_id = ? ORDER BY number"
    recipients = [row[0] for row in ask(query, (queue_id,))]
    if file is not None:
        return recipients, (state / "content" / file).read_bytes()
    query = "SELECT octets FROM content WHERE number = ?"
    (octets,) = ask(query, (row_of(QueueId(queue_id)),)).fetchone()
    return recipients, octets


def plain(mail: Mail) -> Mail:
    return mail[0], mail[1], OURS.sub(rb"\1", mail[2])
