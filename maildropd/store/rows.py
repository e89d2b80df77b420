# SPDX-License-Identifier: Apache-2.0
"""Between rows and values: times, ids, envelopes, replies."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from maildropd.mail.envelope import DEFAULT_TERMS, Envelope, QueueId, Submitter, Terms
from maildropd.mail.reply import Reply
from maildropd.store.base import MessageView, RecipientView, State

Row = tuple[Any, ...]

# Crockford's alphabet leaves out I, L, O and U; int() leaves out the last four.
_TO_PLAIN: Mapping[int, str] = {
    ord(ours): plain
    for ours, plain in zip("JKMNPQRSTVWXYZ", "IJKLMNOPQRSTUV", strict=True)
}

_MESSAGE = (
    "SELECT queue_id, reverse_path, submitter, uid, message_id, arrived, size,"
    " unit, rules, ret, envid, verp, give_up FROM message "
)
MESSAGE = _MESSAGE + "WHERE queue_id = ?"
MESSAGES = _MESSAGE + "WHERE queue_id > ? ORDER BY queue_id LIMIT ?"
RECIPIENTS = (
    "SELECT number, forward_path, state, due, attempts, owner, code, status, text,"
    " relay, notify, orcpt, run, doubt FROM recipient WHERE queue_id = ?"
    " ORDER BY number"
)


def micros(at: datetime) -> int:
    """Return a time as it is stored."""
    return round(at.timestamp() * 1_000_000)


def time(stored: int) -> datetime:
    """Return a stored time."""
    return datetime.fromtimestamp(stored / 1_000_000, UTC)


def number(queue_id: QueueId) -> int:
    """Return a queue id as the number it shows; the order stays the same."""
    return int(queue_id.translate(_TO_PLAIN), 32)


def envelope(row: Sequence[Any]) -> Envelope:
    """Make an envelope of the columns of MESSAGE."""
    return Envelope(
        queue_id=row[0],
        reverse_path=row[1],
        submitter=Submitter(name=row[2], uid=row[3], unit=row[7], rules=row[8]),
        message_id=row[4],
        arrived=time(row[5]),
        size=row[6],
        ret=row[9],
        envid=row[10],
        verp=row[11],
    )


def terms(row: Sequence[str]) -> Terms:
    """Make terms of the columns notify, orcpt and run; mostly nothing was said."""
    notify, orcpt, run = row
    if notify or orcpt or run:
        return Terms(notify=notify, orcpt=orcpt, run=run)
    return DEFAULT_TERMS


def message_view(row: Row, recipients: Iterable[Row], owner: str) -> MessageView:
    """Make a view of a row of MESSAGE and the rows of RECIPIENTS."""
    return MessageView(
        envelope=envelope(row),
        give_up=time(row[-1]),
        recipients=tuple(_recipient_view(one, owner) for one in recipients),
    )


def _recipient_view(row: Row, owner: str) -> RecipientView:
    number, forward_path, state, due, attempts, leased_by, *rest = row
    code, status, text, relay, *rest = rest
    return RecipientView(
        number=number,
        forward_path=forward_path,
        state=State(state),
        due=None if due is None else time(due),
        attempts=attempts,
        # The directory is locked: a lease of anybody else is a dead one's.
        leased=leased_by == owner,
        reply=None if code is None else Reply(code, status, text),
        relay=relay,
        terms=terms(rest[:3]),
        in_doubt=bool(rest[3]),
    )
