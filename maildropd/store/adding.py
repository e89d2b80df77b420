# SPDX-License-Identifier: Apache-2.0
"""The change that brings a message in, once for each submission key.

A key outlives its message: what is submitted again after it was delivered is
a repetition all the same.  Whoever chose the key says when it may go, then or
in advance: a client that has ended cannot say that it will not come again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maildropd.mail.envelope import QueueId, Submission
from maildropd.store.base import State, Stored
from maildropd.store.content import Kept
from maildropd.store.rows import micros, number
from maildropd.store.transaction import Transaction
from maildropd.store.turns import Turns

_INSERT_KEY = (
    "INSERT INTO submission (key, queue_id, since, expires) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET queue_id = excluded.queue_id,"
    " since = excluded.since, expires = excluded.expires"
    " WHERE submission.expires <= excluded.since"
)
_INSERT_MESSAGE = (
    "INSERT INTO message (queue_id, reverse_path, submitter, uid, message_id,"
    " arrived, give_up, size, sha256, file, unit, rules, ret, envid, verp)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_CONTENT = "INSERT INTO content (number, octets) VALUES (?, ?)"
_INSERT_RECIPIENT = (
    "INSERT INTO recipient (queue_id, number, forward_path, state, due)"
    " VALUES (?, ?, ?, ?, ?)"
)
_INSERT_WITH_TERMS = (
    "INSERT INTO recipient (queue_id, number, forward_path, state, due,"
    " notify, orcpt, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Store one message whose content is kept already."""

    queue_id: QueueId
    submission: Submission
    kept: Kept
    arrived: datetime
    give_up: datetime
    about: QueueId | None = None  # of a notice: of the message that it tells of
    turns: Turns
    admits: bool = True  # it may be refused where there is little room

    def __call__(self, transaction: Transaction) -> Stored:
        """Insert everything, or find that the key is known."""
        first = self._claim_key(transaction)
        if first is not None:
            if self.kept.octets is None:
                transaction.doomed.append(self.queue_id)
            return Stored(queue_id=first, size=self.kept.size, repeated=True)
        self._insert(transaction)
        return Stored(queue_id=self.queue_id, size=self.kept.size)

    def _claim_key(self, transaction: Transaction) -> QueueId | None:
        key = self.submission.key
        if key is None:
            return None
        lifetime = self.submission.key_lifetime
        expires = None if lifetime is None else micros(self.arrived + lifetime)
        row = (key, self.queue_id, micros(self.arrived), expires)
        if transaction.execute(_INSERT_KEY, row).rowcount:
            return None
        query = "SELECT queue_id FROM submission WHERE key = ?"
        (first,) = transaction.execute(query, (key,)).fetchone()
        return QueueId(first)

    def _insert(self, transaction: Transaction) -> None:
        queue_id, kept = self.queue_id, self.kept
        transaction.admits |= self.admits
        transaction.execute(_INSERT_MESSAGE, self._row())
        if kept.octets is not None:
            transaction.execute(_INSERT_CONTENT, (number(queue_id), kept.octets))
            transaction.octets += kept.size
        state: State = State.HOLD
        due: int | None = None
        if not self.submission.hold:
            state = State.READY
            due = self.turns.next(self.submission, micros(self.arrived))
        rows = [
            (queue_id, n, path, state, due)
            for n, path in enumerate(self.submission.recipients)
        ]
        if terms := self.submission.terms:
            said = [
                (*row, one.notify, one.orcpt, one.run)
                for row, one in zip(rows, terms, strict=True)
            ]
            transaction.executemany(_INSERT_WITH_TERMS, said)
        else:
            transaction.executemany(_INSERT_RECIPIENT, rows)
        transaction.count(state, len(rows))

    def _row(self) -> tuple[object, ...]:
        what, kept = self.submission, self.kept
        return (
            self.queue_id,
            what.reverse_path,
            what.submitter.name,
            what.submitter.uid,
            what.message_id,
            micros(self.arrived),
            micros(self.give_up),
            kept.size,
            kept.sha256,
            self.queue_id if kept.octets is None else None,
            what.submitter.unit,
            what.submitter.rules,
            what.ret,
            what.envid,
            what.verp,
        )


def forget_keys(transaction: Transaction, keys: Sequence[str]) -> None:
    """Let keys be used anew."""
    transaction.executemany(
        "DELETE FROM submission WHERE key = ?", [(key,) for key in keys]
    )
