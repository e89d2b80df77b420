# SPDX-License-Identifier: Apache-2.0
"""Mail by SMTP to one smarthost, over a connection that is kept.

docs/ERRORS.md has the table of what a server may do and what is made of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.mail.errors import (
    ContentGone,
    RouteError,
    RouteMisconfigured,
    StoreUnusable,
)
from maildropd.mail.outcome import Disposition, Outcome, Sign
from maildropd.relay.ahead import Ahead
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.dialogue import Interrupted
from maildropd.relay.form.letter import Letter, letter
from maildropd.relay.link import Link
from maildropd.relay.parcels import in_full, parcels
from maildropd.relay.refusal import TROUBLE, cut_by
from maildropd.relay.session import Identity
from maildropd.relay.suspicion import Suspicion
from maildropd.relay.transaction import Transaction
from maildropd.relay.wire import ConnectionLost

_GOODBYE = timedelta(seconds=2)

Following = Letter | Delivery | None
"""What comes next: another part of the same message, or another message."""


class SmtpTransport:
    """One connection to the smarthost; see ``Transport`` for the contract."""

    def __init__(self, who: Identity, clock: Clock) -> None:
        """Take what the connection needs; nothing is opened before it is used."""
        self._config = who.config
        self._signer = who.signer
        self._link = Link(who, clock)
        self._suspicion = Suspicion()
        self._ahead: Ahead | None = None

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try once; large numbers of recipients in several transactions."""
        outcomes: list[Outcome] = []
        todo = self._parts(delivery, alive)
        while todo:
            part = todo.pop(0)
            then = todo[0] if todo else delivery.following
            try:
                outcomes += self._in_full(part, then, alive)
            except TROUBLE as error:
                # Who has the mail already must not get it again for this.
                if not outcomes:
                    raise
                rest = cut_by(error, self._config.destination)
                outcomes += [rest] * (len(delivery.recipients) - len(outcomes))
                break
        return tuple(outcomes)

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        ahead, self._ahead = self._ahead, None
        if ahead:  # what we say now would be taken for a message
            self._link.drop()
        else:
            self._link.close()

    def abort(self) -> None:
        """Break the connection off; the one call other threads may make."""
        self._link.abort()

    def _parts(self, delivery: Delivery, alive: Alive) -> list[Letter]:
        """Return the transactions to make; the first was announced, perhaps."""
        ahead = self._ahead
        if ahead is not None and ahead.begins(delivery):
            # More of its recipients may have fallen due since.
            done = len(ahead.letter.delivery.recipients)
            left = delivery.part(done, len(delivery.recipients))
            rest = replace(ahead.letter, delivery=left)
            return [ahead.letter, *(self._split(rest) if left.recipients else ())]
        whole = letter(delivery, self._signer)
        if delivery.envelope.verp and not self._link.kept(alive):
            self._link.open(alive)  # what it offers decides
        return self._split(whole)

    def _split(self, whole: Letter) -> list[Letter]:
        delivery, most = whole.delivery, self._config.max_recipients
        if len(delivery.recipients) <= most and not delivery.envelope.verp:
            return [whole]
        offered = self._link.offered
        cut_up = parcels(whole.delivery, offered, most)
        return [replace(whole, delivery=part) for part in cut_up]

    def _first_of(self, delivery: Delivery | None) -> Letter | None:
        """Return what could be announced now of the one that follows."""
        if delivery is None:
            return None
        try:
            return self._split(letter(delivery, self._signer))[0]
        except (ContentGone, RouteError, StoreUnusable):
            return None  # it is told when its turn has come

    def _in_full(
        self, part: Letter, then: Following, alive: Alive
    ) -> Sequence[Outcome]:
        def carry(some: Delivery) -> Sequence[Outcome]:
            if some is part.delivery:
                return self._carry(part, then, alive)
            return self._carry(replace(part, delivery=some), None, alive)

        return in_full(part.delivery, carry)

    def _carry(
        self, message: Letter, then: Following, alive: Alive
    ) -> tuple[Outcome, ...]:
        self._link.pause(alive)
        transaction = self._announced(message, alive)
        if transaction is None and (wire := self._link.kept(alive)):
            transaction = Transaction(wire, message, self._config)
        if transaction is not None:
            # It may have died of idleness, or of the server's own limits: that
            # says nothing about this message, a fresh one asks again at once.
            try:
                return self._run(transaction, then)
            except (Interrupted, ConnectionLost):
                pass
            except RouteMisconfigured as error:
                # Said to one who had a yes before, it is about this message.
                if self._link.accepted:
                    return transaction.end(error.reply, Sign.OPEN)
                raise
        return self._anew(message, then, alive)

    def _anew(
        self, message: Letter, then: Following, alive: Alive
    ) -> tuple[Outcome, ...]:
        """Carry it over a fresh connection."""
        wire = self._link.open(alive)
        envelope, offered = message.delivery.envelope, wire.esmtp_features
        if envelope.verp and envelope.reverse_path and "xverp" not in offered:
            # It was parted for a server that makes the addresses itself.
            return self.attempt(message.delivery, alive)
        transaction = Transaction(wire, message, self._config)
        try:
            return self._run(transaction, then)
        except (Interrupted, ConnectionLost) as error:
            if transaction.refused or self._blames(message, transaction, error):
                return transaction.end(error.reply, Sign.CUT)
            raise RouteError(error.reply.text, error.reply) from error

    def _announced(self, message: Letter, alive: Alive) -> Transaction | None:
        """Return the transaction whose envelope has gone out already, if it has."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return None
        if ahead.letter is message and self._link.goes_on(alive):
            return ahead.transaction
        self._drop()  # the server waits for what does not come
        return None

    def _run(self, transaction: Transaction, then: Following) -> tuple[Outcome, ...]:
        finished = False
        transaction.welcome = self._link.accepted
        ahead = self._prepared(then)
        try:
            outcomes = transaction.run(ahead.words if ahead else b"")
            finished = True
        finally:
            if not finished:  # for whatever reason: nobody knows where we stand
                self._drop()
        self._ahead = ahead if transaction.went_on else None
        taken = Disposition.DELIVERED
        self._link.carried(taken=any(each.disposition is taken for each in outcomes))
        self._suspicion.cleared()
        return outcomes

    def _prepared(self, then: Following) -> Ahead | None:
        """Return what can be said of the next one before this one has ended."""
        wire = self._link.wire
        if wire is None or self._link.is_used_up:
            return None
        # It is read, and signed, only where it can be announced: not twice.
        if "pipelining" not in wire.esmtp_features:
            return None
        part = then if isinstance(then, Letter) else self._first_of(then)
        if part is None:
            return None
        transaction = Transaction(wire, part, self._config)
        words = transaction.announcement()
        return Ahead(part, transaction, words) if words else None

    def _drop(self) -> None:
        self._ahead = None
        self._link.drop()

    def _blames(
        self,
        message: Letter,
        transaction: Transaction,
        error: Interrupted | ConnectionLost,
    ) -> bool:
        """Tell whether a broken conversation is blamed on the message."""
        queue_id = message.delivery.envelope.queue_id
        blamed = self._suspicion.falls_on(queue_id, transaction.step, error)
        return blamed and not self._link.aborted
