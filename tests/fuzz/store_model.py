# SPDX-License-Identifier: Apache-2.0
"""What a queue on disk must be like, in plain Python and in memory.

Written from store/base.py and docs/QUEUE.md, not from the code: each call says
what the store has to answer, and what it has to hold from then on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from maildropd.mail.envelope import (
    DEFAULT_TERMS,
    Envelope,
    QueueId,
    Submission,
    Submitter,
    Terms,
)
from maildropd.mail.reply import Reply
from maildropd.store.base import (
    Lease,
    MessageView,
    RecipientView,
    Settled,
    Settlement,
    State,
)

WAITING = (State.READY, State.DEFERRED)
STOPPED = (State.HOLD, State.FAILED)


@dataclass(slots=True)
class Row:
    """One recipient."""

    path: str
    due: datetime | None
    state: State = State.READY
    attempts: int = 0
    fence: int = 0
    owner: str | None = None
    hold: bool = False
    reply: Reply | None = None
    relay: str = ""
    terms: Terms = DEFAULT_TERMS

    def is_due(self, now: datetime) -> bool:
        return self.state in WAITING and self.due is not None and self.due <= now

    def end_lease(self, state: State, due: datetime | None) -> None:
        """Let the lease end; a wish to hold is fulfilled."""
        self.state = State.HOLD if self.hold else state
        self.due = due if self.state in WAITING else None
        self.owner, self.hold = None, False


@dataclass(slots=True, kw_only=True)
class Mail:
    """One message."""

    queue_id: QueueId
    sender: str | None
    submitter: Submitter
    message_id: str | None
    content: bytes
    arrived: datetime
    give_up: datetime
    rows: dict[int, Row]
    ret: str
    envid: str

    def due(self, now: datetime) -> dict[int, Row]:
        return {n: row for n, row in self.rows.items() if row.is_due(now)}


@dataclass(frozen=True, slots=True)
class Key:
    """A submission key; without an end of its own it goes when it is forgotten."""

    queue_id: QueueId
    since: datetime
    expires: datetime | None

    def counts(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires

    def stays(self, now: datetime) -> bool:
        """Tell whether it is still there when old ones were swept."""
        return now < (self.expires or self.since + timedelta(days=10))


@dataclass(slots=True)
class StoreModel:
    """All messages; ``owner`` is the start of the daemon that has them open."""

    owner: str
    mails: dict[QueueId, Mail] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    # The largest fence ever given out, by message and number of recipient.
    fences: dict[tuple[QueueId, int], int] = field(default_factory=dict)

    def known(self, key: str | None, now: datetime) -> QueueId | None:
        """Return what was stored under a key that counts still."""
        found = self.keys.get(key) if key else None
        return found.queue_id if found and found.counts(now) else None

    def swept(self, now: datetime) -> None:
        """Forget all keys that are too old."""
        self.keys = {name: key for name, key in self.keys.items() if key.stays(now)}

    def add(
        self,
        what: Submission,
        name: QueueId,
        octets: bytes,
        times: tuple[datetime, datetime],
    ) -> None:
        """Note what is new."""
        arrived, give_up = times
        if what.key:
            life = what.key_lifetime
            end = None if life is None else arrived + life
            self.keys[what.key] = Key(name, arrived, end)
        terms = what.terms or (DEFAULT_TERMS,) * len(what.recipients)
        self.mails[name] = Mail(
            queue_id=name,
            sender=what.reverse_path,
            submitter=what.submitter,
            message_id=what.message_id,
            content=octets,
            arrived=arrived,
            give_up=give_up,
            rows={
                n: Row(path, arrived, terms=of_it)
                for n, (path, of_it) in enumerate(
                    zip(what.recipients, terms, strict=True)
                )
            },
            ret=what.ret,
            envid=what.envid,
        )

    def rows(self) -> Iterator[Row]:
        for mail in self.mails.values():
            yield from mail.rows.values()

    def any_due(self, now: datetime) -> bool:
        return any(row.is_due(now) for row in self.rows())

    def any_leased(self) -> bool:
        return any(row.owner == self.owner for row in self.rows())

    def any_dead(self) -> bool:
        return any(row.owner not in (None, self.owner) for row in self.rows())

    def turn(self, name: QueueId, due: datetime | None) -> None:
        """Note whose turn a new message has: at its arrival, or before."""
        mail = self.mails[name]
        assert due is not None
        assert due <= mail.arrived
        for row in mail.rows.values():
            row.due = due

    def claimed(
        self, leases: Sequence[Lease], limit: int, now: datetime, until: datetime
    ) -> None:
        """Check what was leased, and note it.

        Those messages to which the first recipients belong that are due, half
        of those never tried and half of the others where there are many.
        """
        ready, deferred = (
            sorted(
                (row.due, name, number)
                for name, mail in self.mails.items()
                for number, row in mail.due(now).items()
                if row.state is state and row.due
            )[:limit]
            for state in (State.READY, State.DEFERRED)
        )
        deferred = deferred[: max((limit + 1) // 2, limit - len(ready))]
        first = sorted(ready[: limit - len(deferred)] + deferred)
        names = [lease.envelope.queue_id for lease in leases]
        assert names == list(dict.fromkeys(name for _, name, _ in first))
        for lease in leases:
            self._lease(self.mails[lease.envelope.queue_id], lease, now, until)

    def _lease(self, mail: Mail, lease: Lease, now: datetime, until: datetime) -> None:
        assert lease.envelope == envelope(mail)
        assert lease.give_up == mail.give_up
        due = mail.due(now)
        found = {one.number: one for one in lease.recipients}
        assert found.keys() == due.keys(), "all that is due of a message comes together"
        for number, row in due.items():
            one, key = found[number], (mail.queue_id, number)
            assert (one.forward_path, one.attempts) == (row.path, row.attempts)
            assert one.terms == row.terms
            assert one.fence > self.fences.get(key, 0), "a fence came a second time"
            self.fences[key] = row.fence = one.fence
            row.owner, row.due = self.owner, until

    def mine(self, queue_id: QueueId, number: int, fence: int) -> Row | None:
        """Return a recipient if it is leased under this fence, by this start."""
        mail = self.mails.get(queue_id)
        row = mail.rows.get(number) if mail else None
        if row and (row.owner, row.fence) == (self.owner, fence):
            return row
        return None

    def renew(self, lease: Lease, until: datetime) -> bool:
        name = lease.envelope.queue_id
        rows = [self.mine(name, one.number, one.fence) for one in lease.recipients]
        for row in filter(None, rows):
            row.due = until
        return all(rows)

    def settle(self, settlements: Sequence[Settlement]) -> Settled:
        lost = tuple(one for one in settlements if not self._settle(one))
        touched = dict.fromkeys(one.queue_id for one in settlements)
        gone = [n for n in touched if n in self.mails and not self.mails[n].rows]
        for name in gone:
            del self.mails[name]
        return Settled(lost=lost, done=tuple(gone))

    def _settle(self, one: Settlement) -> bool:
        row = self.mine(one.queue_id, one.recipient.number, one.recipient.fence)
        if row is None:
            return False
        if one.state is None:
            del self.mails[one.queue_id].rows[one.recipient.number]
            return True
        as_it_was = one.state in WAITING and not one.attempted
        row.end_lease(row.state if as_it_was else one.state, one.due)
        row.attempts += one.attempted
        row.reply = one.reply or row.reply
        row.relay = one.relay or row.relay
        return True

    def take_over(self, now: datetime) -> int:
        dead = [row for row in self.rows() if row.owner not in (None, self.owner)]
        for row in dead:
            assert row.due is not None
            row.end_lease(row.state, min(row.due, now))
        return len(dead)

    def hold(self, name: QueueId) -> bool:
        rows = list(self.mails[name].rows.values()) if name in self.mails else []
        leased = [row for row in rows if row.owner == self.owner]
        waiting = [row for row in rows if row.state in WAITING and row not in leased]
        for row in leased:
            row.hold = True
        for row in waiting:
            row.hold = True
            row.end_lease(row.state, None)
        return bool(leased or waiting)

    def release(self, name: QueueId, now: datetime) -> bool:
        rows = list(self.mails[name].rows.values()) if name in self.mails else []
        marked = [row for row in rows if row.hold]
        stopped = [row for row in rows if row.state in STOPPED]
        for row in marked:
            row.hold = False
        for row in stopped:
            row.state = State.DEFERRED if row.attempts else State.READY
            row.due = now
        return bool(marked or stopped)

    def remove(self, name: QueueId) -> bool:
        mail = self.mails.get(name)
        if not mail or any(row.owner == self.owner for row in mail.rows.values()):
            return False
        del self.mails[name]
        return True

    def flush(self, names: Sequence[QueueId], now: datetime) -> int:
        chosen = set(names) or self.mails.keys()
        rows = [
            row
            for name, mail in self.mails.items()
            for row in mail.rows.values()
            if name in chosen
            and row.state in WAITING
            and row.owner != self.owner
            and row.due
            and row.due > now
        ]
        for row in rows:
            row.due = now
        return len(rows)

    def counts(self) -> dict[State, int]:
        states = [row.state for row in self.rows()]
        return {state: states.count(state) for state in State}

    def next_due(self) -> datetime | None:
        return min((row.due for row in self.rows() if row.due), default=None)

    def oldest(self) -> datetime | None:
        return self.mails[min(self.mails)].arrived if self.mails else None

    def views(self) -> list[MessageView]:
        return [self.view(self.mails[name]) for name in sorted(self.mails)]

    def view(self, mail: Mail) -> MessageView:
        return MessageView(
            envelope=envelope(mail),
            give_up=mail.give_up,
            recipients=tuple(
                RecipientView(
                    number=number,
                    forward_path=row.path,
                    state=row.state,
                    due=row.due,
                    attempts=row.attempts,
                    leased=row.owner == self.owner,
                    reply=row.reply,
                    relay=row.relay,
                    terms=row.terms,
                )
                for number, row in sorted(mail.rows.items())
            ),
        )


def envelope(mail: Mail) -> Envelope:
    return Envelope(
        queue_id=mail.queue_id,
        reverse_path=mail.sender,
        arrived=mail.arrived,
        size=len(mail.content),
        submitter=mail.submitter,
        message_id=mail.message_id,
        ret=mail.ret,
        envid=mail.envid,
    )
