# SPDX-License-Identifier: Apache-2.0
"""The change that an attempt begins with: what is due, leased in its order.

The fence grows with each claim.  Small contents come along, so that nobody
has to ask for them one by one.
"""

import hashlib
import sqlite3
from datetime import datetime
from functools import partial

from maildropd.mail.envelope import QueueId
from maildropd.store.base import Lease, LeasedRecipient, State
from maildropd.store.rows import MESSAGE, envelope, micros, number, terms, time
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import is_damage
from maildropd.store.unreadable import Holder

_WAITING = (State.READY, State.DEFERRED)
_SMALL = 8192  # octets; of a hundred messages they are no burden
_DUE = (
    "SELECT due, queue_id FROM recipient WHERE state = ? AND due <= ?"
    " ORDER BY due LIMIT ?"
)
_DUE_READABLE = (
    "SELECT due, queue_id FROM recipient WHERE state = ? AND due <= ?"
    " AND queue_id NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?"
)
# The plus keeps SQLite from the index of all that is due: here it is one message.
_LEASE = (
    "UPDATE recipient SET owner = ?, fence = fence + 1, due = ?"
    " WHERE queue_id = ? AND +state IN ('ready', 'deferred') AND +due <= ?"
    " RETURNING number, forward_path, attempts, fence, notify, orcpt, run"
)
_CONTENT = (
    "SELECT octets, sha256 FROM content, message WHERE content.number = ?"
    " AND queue_id = ? AND size <= ?"
)


def claim(
    transaction: Transaction, holder: Holder, limit: int, now: datetime, until: datetime
) -> list[Lease]:
    """Lease what is due, message by message, oldest due time first."""
    at, end = micros(now), micros(until)
    turns: dict[str, int] = {}
    for turn, queue_id in _due(transaction, holder, limit, at):
        turns.setdefault(queue_id, turn)
    leases = []
    for queue_id, turn in turns.items():
        octets = _octets(transaction, holder, QueueId(queue_id))
        wanted = (holder.owner, end, queue_id, at)
        work = partial(_lease, transaction, wanted, holder, (turn, octets))
        lease = holder.unreadable.guard(queue_id, work)
        if lease is not None:
            leases.append(lease)
    return leases


def _due(
    transaction: Transaction, holder: Holder, limit: int, at: int
) -> list[tuple[int, str]]:
    """Return what is due, in its order; neither state may starve the other."""
    ready, deferred = (
        transaction.execute(
            *(
                (_DUE_READABLE, (state, at, ids, limit))
                if (ids := holder.unreadable.ids)
                else (_DUE, (state, at, limit))
            )
        ).fetchall()
        for state in _WAITING
    )
    deferred = deferred[: max((limit + 1) // 2, limit - len(ready))]
    more = len(ready) + len(deferred) > limit or len(ready) == limit
    ready = ready[: limit - len(deferred)]
    holder.turns.served([turn for turn, _ in ready], more=more)
    return sorted(ready + deferred)


def _lease(
    transaction: Transaction,
    wanted: tuple[str, int, str, int],
    holder: Holder,
    known: tuple[int, bytes | None],
) -> Lease | None:
    queue_id = wanted[2]
    turn, octets = known
    row = transaction.execute(MESSAGE, (queue_id,)).fetchone()
    if row is None:  # recipients of nothing; a repair may leave such
        holder.unreadable.add(queue_id, "there is no message for its recipients")
        return None
    leased = transaction.execute(_LEASE, wanted).fetchall()
    recipients = (
        LeasedRecipient(
            number=n,
            forward_path=path,
            attempts=attempts,
            fence=fence,
            terms=terms(said),
        )
        for n, path, attempts, fence, *said in sorted(leased)
    )
    return Lease(
        envelope=envelope(row),
        give_up=time(row[-1]),
        recipients=tuple(recipients),
        turn=time(turn),
        octets=octets,
    )


def _octets(
    transaction: Transaction, holder: Holder, queue_id: QueueId
) -> bytes | None:
    """Return a small content; what is large, lost or has changed is read apart."""
    if holder.unreadable.apart:
        return None
    wanted = (number(queue_id), queue_id, _SMALL)
    try:
        row = transaction.execute(_CONTENT, wanted).fetchone()
    except sqlite3.Error as error:
        if is_damage(error):
            holder.unreadable.read_apart()
        raise
    if row is None or hashlib.sha256(row[0]).digest() != row[1]:
        return None
    octets: bytes = row[0]
    return octets
