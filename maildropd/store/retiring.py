# SPDX-License-Identifier: Apache-2.0
"""The change that takes failed recipients out, with the one report on all of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from maildropd.mail.envelope import QueueId
from maildropd.store import notices
from maildropd.store.adding import Add
from maildropd.store.base import Notice, Settled, State
from maildropd.store.leasing import remove_empty
from maildropd.store.reading import Reader
from maildropd.store.transaction import Transaction
from maildropd.store.unreadable import Holder

_RETIRE = (
    "DELETE FROM recipient WHERE queue_id = ? AND number = ? AND state = 'failed'"
    " RETURNING 1"
)


class Failures:
    """Who failed and was not told of yet; a part of a store."""

    def __init__(
        self, reader: Reader, holder: Holder, telling: Callable[..., Future[Any]]
    ) -> None:
        """``telling`` makes a change in which notices are stored."""
        self._reader = reader
        self._holder = holder
        self._telling = telling

    def list(self, after: str, limit: int) -> Sequence[QueueId]:
        """Return messages that have failed recipients, in order, behind an id."""
        return self._reader.failed(after, limit)

    def retire(
        self, failed: Sequence[tuple[QueueId, int]], notice: Notice
    ) -> Future[Settled]:
        """Take recipients out, by their numbers, as the report on them comes in.

        Who is not failed any more stays; with nobody taken out, nothing is told.
        """
        out: Future[Settled] = self._telling([notice], _retire, self._holder, failed)
        return out


def _retire(
    transaction: Transaction,
    holder: Holder,
    failed: Sequence[tuple[QueueId, int]],
    adds: Sequence[Add],
) -> Settled:
    """Remove them, and the messages that are left without a recipient."""
    touched: dict[QueueId, None] = {}
    for queue_id, number in failed:
        change = partial(_taken_out, transaction, queue_id, number)
        if holder.unreadable.guard(queue_id, change):
            touched[queue_id] = None
    gone = tuple(
        queue_id
        for queue_id in touched
        if holder.unreadable.guard_content(
            queue_id, partial(remove_empty, transaction, queue_id)
        )
    )
    return Settled(done=gone, noticed=notices.store_true(transaction, adds, touched))


def _taken_out(transaction: Transaction, queue_id: QueueId, number: int) -> bool:
    found = transaction.execute(_RETIRE, (queue_id, number)).fetchone()
    if found:
        transaction.count(State.FAILED, -1)
    return found is not None
