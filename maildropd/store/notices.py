# SPDX-License-Identifier: Apache-2.0
"""What we ourselves have to say about mail, stored with what it tells.

So no crash leaves a message gone without its bounce, or bounced and still
there.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import StoreUnusable
from maildropd.store.adding import Add
from maildropd.store.base import Notice, Settled
from maildropd.store.content import ContentFolder
from maildropd.store.transaction import Transaction
from maildropd.store.turns import Turns

_CURSOR = (
    "INSERT INTO run (one, open, cursor) VALUES (1, 1, ?)"
    " ON CONFLICT (one) DO UPDATE SET cursor = excluded.cursor"
)


def prepare(
    notices: Sequence[Notice], content: ContentFolder, turns: Turns
) -> tuple[Add, ...]:
    """Keep the contents, in the caller's thread; raise what that raises.

    Room for them is not asked for: as a rule what they are about goes.
    """
    with ExitStack() as undo:
        adds = []
        for one in notices:
            kept = content.keep(one.queue_id, one.submission.content)
            if kept.octets is None:
                undo.callback(content.remove, one.queue_id)
            adds.append(
                Add(
                    queue_id=one.queue_id,
                    submission=one.submission,
                    kept=kept,
                    arrived=one.arrived,
                    give_up=one.give_up,
                    turns=turns,
                    about=one.about,
                    admits=False,
                )
            )
        undo.pop_all()
    return tuple(adds)


def drop_refused(
    adds: Sequence[Add], content: ContentFolder
) -> Callable[[Future[Any]], None]:
    """Return what is to be called when the change is made, or has failed."""
    files = [each.queue_id for each in adds if each.kept.octets is None]

    def done(future: Future[Any]) -> None:
        for queue_id in files:
            drop_file(content, queue_id, future)

    return done


def drop_file(content: ContentFolder, queue_id: QueueId, future: Future[Any]) -> None:
    """Remove the file of what was not stored.

    Not when the store is unusable: a commit that failed may have reached
    the disk; the file waits for the sweep, which knows.
    """
    failed = None if future.cancelled() else future.exception()
    if future.cancelled() or (failed and not isinstance(failed, StoreUnusable)):
        content.remove(queue_id)


def store(transaction: Transaction, adds: Sequence[Add]) -> tuple[QueueId, ...]:
    """Insert notices; return the ids of those that are new."""
    stored = [add(transaction) for add in adds]
    return tuple(one.queue_id for one in stored if not one.repeated)


def store_true(
    transaction: Transaction, adds: Sequence[Add], recorded: Collection[QueueId]
) -> tuple[QueueId, ...]:
    """Insert those that tell of what was recorded; the others did not happen."""
    true = [
        each
        for each in adds
        if (each.about in recorded if each.about else bool(recorded))
    ]
    transaction.doomed += [
        each.queue_id for each in adds if each not in true and each.kept.octets is None
    ]
    return store(transaction, true)


def keep_cursor(transaction: Transaction, at: str, adds: Sequence[Add]) -> Settled:
    """Move the cursor, and store what was found on the way."""
    transaction.execute(_CURSOR, (at,))
    return Settled(noticed=store(transaction, adds))


def cursor(connection: sqlite3.Connection) -> str:
    """Return where the cursor is, or ""."""
    row = connection.execute("SELECT cursor FROM run").fetchone()
    return str(row[0]) if row else ""
