# SPDX-License-Identifier: Apache-2.0
"""The changes that an attempt ends with: what became of what was leased.

An outcome is recorded only under the fence of the lease it belongs to, so one
that comes too late changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from maildropd.mail.envelope import QueueId
from maildropd.store import notices
from maildropd.store.adding import Add
from maildropd.store.base import (
    Lease,
    Settled,
    Settlement,
    State,
)
from maildropd.store.rows import micros, number
from maildropd.store.transaction import Transaction
from maildropd.store.unreadable import Holder

_WAITING = (State.READY, State.DEFERRED)
_TAKE_OVER = (
    "UPDATE recipient SET owner = NULL, hold = 0, state = ?, due = ?"
    " WHERE queue_id = ? AND number = ?"
)
_RENEW = (
    "UPDATE recipient SET due = ?"
    " WHERE queue_id = ? AND number = ? AND fence = ? AND owner = ?"
)
_DELIVERED = (
    "DELETE FROM recipient"
    " WHERE queue_id = ? AND number = ? AND fence = ? AND owner = ? RETURNING state"
)
_FOUND = (
    "SELECT state, hold FROM recipient"
    " WHERE queue_id = ? AND number = ? AND fence = ? AND owner = ?"
)
_RECORD = (
    "UPDATE recipient SET owner = NULL, hold = 0, state = ?, due = ?,"
    " attempts = attempts + ?, code = coalesce(?, code), status = coalesce(?, status),"
    " text = coalesce(?, text), relay = coalesce(nullif(?, ''), relay),"
    " doubt = max(doubt, ?)"
    " WHERE queue_id = ? AND number = ?"
)
_EMPTY = (
    "DELETE FROM message WHERE queue_id = :id AND NOT EXISTS"
    " (SELECT 1 FROM recipient WHERE queue_id = :id) RETURNING file"
)


def take_over(transaction: Transaction, holder: Holder, now: datetime) -> int:
    """Make due what others had leased: the directory's lock says they are dead."""
    rows = transaction.execute(
        "SELECT queue_id, number, state, due, hold FROM recipient"
        " WHERE owner IS NOT NULL AND owner <> ?",
        (holder.owner,),
    ).fetchall()
    for queue_id, n, was, end, hold in rows:
        state = State.HOLD if hold else was
        due = None if hold else min(end, micros(now))
        change = partial(transaction.execute, _TAKE_OVER, (state, due, queue_id, n))
        if holder.unreadable.guard(queue_id, change):
            transaction.count(was, -1)
            transaction.count(state, 1)
    return len(rows)


def renew(transaction: Transaction, owner: str, lease: Lease, until: datetime) -> bool:
    """Prolong a lease; tell whether all of it was still ours."""
    end, queue_id = micros(until), lease.envelope.queue_id
    kept = [
        transaction.execute(
            _RENEW, (end, queue_id, one.number, one.fence, owner)
        ).rowcount
        for one in lease.recipients
    ]
    return all(kept)


def settle(
    transaction: Transaction,
    holder: Holder,
    settlements: Sequence[Settlement],
    adds: Sequence[Add] = (),
) -> Settled:
    """Record outcomes; a message whose last recipient was delivered goes."""
    lost: list[Settlement] = []
    recorded: set[QueueId] = set()
    touched: dict[QueueId, None] = {}
    for one in settlements:
        change = partial(_settle, transaction, holder.owner, one)
        if not holder.unreadable.guard(one.queue_id, change):
            lost.append(one)
            continue
        recorded.add(one.queue_id)
        if one.state is None:
            touched[one.queue_id] = None
    gone = tuple(
        queue_id
        for queue_id in touched
        if holder.unreadable.guard_content(
            queue_id, partial(remove_empty, transaction, queue_id)
        )
    )
    noticed = notices.store_true(transaction, adds, recorded)
    return Settled(lost=tuple(lost), done=gone, noticed=noticed)


def _settle(transaction: Transaction, owner: str, one: Settlement) -> bool:
    mine = (one.queue_id, one.recipient.number, one.recipient.fence, owner)
    if one.state is None:
        return _delivered(transaction, mine)
    return _record(transaction, one, mine)


def _delivered(transaction: Transaction, mine: tuple[object, ...]) -> bool:
    found = transaction.execute(_DELIVERED, mine).fetchone()
    if found:
        transaction.count(found[0], -1)
    return found is not None


def _record(
    transaction: Transaction, one: Settlement, mine: tuple[object, ...]
) -> bool:
    found = transaction.execute(_FOUND, mine).fetchone()
    if found is None:
        return False
    was, hold = found
    state: str = State.HOLD if hold else one.state or was
    if state in _WAITING and not one.attempted:
        state = was
    due = micros(one.due) if one.due and state in _WAITING else None
    reply = one.reply
    said = (reply.code, reply.status, reply.text) if reply else (None, None, None)
    row = (state, due, one.attempted, *said, one.relay, one.in_doubt, *mine[:2])
    transaction.execute(_RECORD, row)
    transaction.count(was, -1)
    transaction.count(state, 1)
    return True


def remove_empty(transaction: Transaction, queue_id: QueueId) -> bool:
    """Remove a message that has no recipient left; tell whether it had none."""
    found = transaction.execute(_EMPTY, {"id": queue_id}).fetchone()
    if found is None:
        return False
    remove_content(transaction, queue_id, found[0])
    return True


def remove_content(
    transaction: Transaction, queue_id: QueueId, file: str | None
) -> None:
    """Remove the octets of a message that goes: the row now, a file after."""
    if file is None:
        transaction.execute("DELETE FROM content WHERE number = ?", (number(queue_id),))
    else:
        transaction.doomed.append(file)
