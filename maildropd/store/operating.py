# SPDX-License-Identifier: Apache-2.0
"""The changes an operator asks for: hold, release, remove, flush.

What is being delivered is never pulled away from under an attempt.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from maildropd.mail.envelope import QueueId
from maildropd.store.base import State
from maildropd.store.leasing import remove_content
from maildropd.store.rows import micros
from maildropd.store.transaction import Transaction
from maildropd.store.unreadable import Holder
from maildropd.store.writer import Writer

_MAKE_DUE = "UPDATE recipient SET due = ? WHERE queue_id = ? AND number = ?"
# The plus as in leasing.py.
_FLUSH = (
    "UPDATE recipient SET due = ? WHERE queue_id = ?"
    " AND +state IN ('ready', 'deferred') AND +due > ? AND owner IS NOT ?"
)
FLUSH_STEP = 2000  # recipients in one change: other changes get between


def hold(transaction: Transaction, owner: str, queue_id: QueueId) -> bool:
    """Stop what waits; mark what is leased, to be stopped when it is settled."""
    waiting = transaction.execute(
        "SELECT number, state FROM recipient WHERE queue_id = ?"
        " AND state IN ('ready', 'deferred') AND owner IS NOT ?",
        (queue_id, owner),
    ).fetchall()
    for number, state in waiting:
        transaction.execute(
            "UPDATE recipient SET state = 'hold', due = NULL, owner = NULL"
            " WHERE queue_id = ? AND number = ?",
            (queue_id, number),
        )
        transaction.count(state, -1)
        transaction.count(State.HOLD, 1)
    marked = transaction.execute(
        "UPDATE recipient SET hold = 1 WHERE queue_id = ? AND owner = ?",
        (queue_id, owner),
    ).rowcount
    return bool(waiting or marked)


def release(transaction: Transaction, queue_id: QueueId, now: datetime) -> bool:
    """Make due what is held or failed; take back the wish to hold."""
    stopped = transaction.execute(
        "SELECT number, state, attempts FROM recipient WHERE queue_id = ?"
        " AND state IN ('hold', 'failed')",
        (queue_id,),
    ).fetchall()
    for number, was, attempts in stopped:
        state = State.DEFERRED if attempts else State.READY
        transaction.execute(
            "UPDATE recipient SET state = ?, due = ? WHERE queue_id = ? AND number = ?",
            (state, micros(now), queue_id, number),
        )
        transaction.count(was, -1)
        transaction.count(state, 1)
    unmarked = transaction.execute(
        "UPDATE recipient SET hold = 0 WHERE queue_id = ? AND hold = 1", (queue_id,)
    ).rowcount
    return bool(stopped or unmarked)


def remove(transaction: Transaction, owner: str, queue_id: QueueId) -> bool:
    """Take a message out, unless it is being delivered."""
    query = "SELECT 1 FROM recipient WHERE queue_id = ? AND owner = ?"
    if transaction.execute(query, (queue_id, owner)).fetchone():
        return False
    query = "DELETE FROM message WHERE queue_id = ? RETURNING file"
    found = transaction.execute(query, (queue_id,)).fetchone()
    if found is None:
        return False
    query = "DELETE FROM recipient WHERE queue_id = ? RETURNING state"
    for (state,) in transaction.execute(query, (queue_id,)).fetchall():
        transaction.count(state, -1)
    remove_content(transaction, queue_id, found[0])
    return True


def flush_these(
    transaction: Transaction, owner: str, queue_ids: Sequence[QueueId], now: datetime
) -> int:
    """Make due the recipients of some messages that wait for their time.

    Also what was never tried: a clock that was ahead when a mail arrived, and
    was set right since, leaves it waiting for days or years.
    """
    at = micros(now)
    return sum(
        transaction.execute(_FLUSH, (at, queue_id, at, owner)).rowcount
        for queue_id in queue_ids
    )


class Flush:
    """Make all due that waits for its time, in steps, with one future for all."""

    def __init__(self, writer: Writer, holder: Holder, now: datetime) -> None:
        """Begin."""
        self.future: Future[int] = Future()
        self._writer = writer
        self._holder = holder
        self._now = now
        self._flushed = 0
        self._step()

    def _step(self) -> None:
        self._writer.submit(self._some).add_done_callback(self._stepped)

    def _some(self, transaction: Transaction) -> int:
        """Flush some; fewer than FLUSH_STEP are the last."""
        at = micros(self._now)
        chosen: list[tuple[str, int]] = []
        for state in (State.READY, State.DEFERRED):  # not in one: it would sort
            chosen += transaction.execute(
                "SELECT queue_id, number FROM recipient WHERE state = ?"
                " AND due > ? AND owner IS NOT ? ORDER BY due LIMIT ?",
                (state, at, self._holder.owner, FLUSH_STEP - len(chosen)),
            )
        flushed = 0
        for queue_id, number in chosen:
            values = (at, queue_id, number)
            change = partial(transaction.execute, _MAKE_DUE, values)
            flushed += self._holder.unreadable.guard(queue_id, change) is not None
        return flushed

    def _stepped(self, step: Future[int]) -> None:
        error = step.exception()
        if error:
            self.future.set_exception(error)
            return
        self._flushed += step.result()
        if step.result() == FLUSH_STEP:
            self._step()
        else:
            self.future.set_result(self._flushed)
