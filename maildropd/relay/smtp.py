# SPDX-License-Identifier: Apache-2.0
"""Mail by SMTP to one smarthost, over a connection that is kept.

docs/ERRORS.md has the table of what a server may do and what is made of it.
"""

import contextlib
import ssl
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from maildropd.config.relay import RelayConfig, Tls
from maildropd.host.clock import Clock
from maildropd.mail.errors import (
    ContentGone,
    RouteError,
    RouteMisconfigured,
    StoreUnusable,
)
from maildropd.mail.outcome import Disposition, Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.relay.ahead import Ahead
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.dialogue import Interrupted
from maildropd.relay.letter import Letter, letter
from maildropd.relay.login import Login
from maildropd.relay.parcels import in_full, parcels
from maildropd.relay.refusal import cut
from maildropd.relay.session import Identity, open_session
from maildropd.relay.suspicion import Suspicion
from maildropd.relay.tls import context
from maildropd.relay.transaction import Transaction
from maildropd.relay.wire import ConnectionLost, Wire

_GOODBYE = timedelta(seconds=2)


class SmtpTransport:
    """One connection to the smarthost; see ``Transport`` for the contract."""

    def __init__(
        self, config: RelayConfig, login: Login | None, hostname: str, clock: Clock
    ) -> None:
        """Take what the connection needs; nothing is opened before it is used."""
        self._config = config
        self._who = Identity(config=config, login=login, hostname=hostname)
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._wire: Wire | None = None
        self._carried = 0  # messages, on this connection
        self._accepted = False  # one of them was taken
        self._ended: timedelta | None = None  # the last message
        self._aborted = threading.Event()
        self._suspicion = Suspicion()
        self._ahead: Ahead | None = None

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try once; large numbers of recipients in several transactions."""
        outcomes: list[Outcome] = []
        todo = self._parts(delivery, alive)
        while todo:
            part = todo.pop(0)
            then = todo[0] if todo else self._first_of(delivery.following)
            try:
                outcomes += self._in_full(part, then, alive)
            except (RouteError, StoreUnusable) as error:
                # Who has the mail already must not get it again for this.
                if not outcomes:
                    raise
                rest = cut(error.reply, self._config.destination)
                outcomes += [rest] * (len(delivery.recipients) - len(outcomes))
                break
        return tuple(outcomes)

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        wire, self._wire = self._wire, None
        ahead, self._ahead = self._ahead, None
        if wire is None or wire.sock is None:
            return
        if ahead:  # what we say now would be taken for a message
            wire.close()
            return
        with contextlib.suppress(ConnectionLost):  # it is to be closed anyway
            # Its answer says nothing that matters, and a server that keeps it
            # to itself would hold up the next message.
            wire.step("QUIT", _GOODBYE)
            wire.putcmd("QUIT")
        wire.close()

    def abort(self) -> None:
        """Break the connection off; the one call other threads may make."""
        self._aborted.set()
        wire = self._wire
        if wire is not None:
            wire.abort()

    def _parts(self, delivery: Delivery, alive: Alive) -> list[Letter]:
        """Return the transactions to make; the first was announced, perhaps."""
        ahead = self._ahead
        if ahead is None or not ahead.begins(delivery):
            first, whole = [], letter(delivery)
        else:
            first, whole = [ahead.letter], replace(ahead.letter, delivery=delivery)
        if delivery.envelope.verp and not (first or self._kept(alive)):
            self._open(alive)  # what it offers decides
        return first + self._split(whole)[len(first) :]

    def _split(self, whole: Letter) -> list[Letter]:
        delivery, most = whole.delivery, self._config.max_recipients
        if len(delivery.recipients) <= most and not delivery.envelope.verp:
            return [whole]
        offered = self._wire.esmtp_features if self._wire else ()
        cut_up = parcels(whole.delivery, offered, most)
        return [replace(whole, delivery=part) for part in cut_up]

    def _first_of(self, delivery: Delivery | None) -> Letter | None:
        """Return what could be announced now of the one that follows."""
        if delivery is None:
            return None
        try:
            return self._split(letter(delivery))[0]
        except (ContentGone, StoreUnusable):  # it is told when its turn has come
            return None

    def _in_full(
        self, part: Letter, then: Letter | None, alive: Alive
    ) -> Sequence[Outcome]:
        def carry(some: Delivery) -> Sequence[Outcome]:
            if some is part.delivery:
                return self._carry(part, then, alive)
            return self._carry(replace(part, delivery=some), None, alive)

        return in_full(part.delivery, carry)

    def _carry(
        self, message: Letter, then: Letter | None, alive: Alive
    ) -> tuple[Outcome, ...]:
        self._pause(alive)
        transaction = self._announced(message, alive)
        if transaction is None and (wire := self._kept(alive)):
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
                if self._accepted:
                    return transaction.end(error.reply, Sign.OPEN)
                raise
        transaction = Transaction(self._open(alive), message, self._config)
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
        if ahead.letter is message and self._wire is not None:
            self._wire.alive = alive
            return ahead.transaction
        self._drop()  # the server waits for what does not come
        return None

    def _pause(self, alive: Alive) -> None:
        if self._ended is None or not self._config.wait_interval:
            return
        left = self._ended + self._config.wait_interval - self._clock.monotonic()
        if left > timedelta(0):
            alive(left)
            self._aborted.wait(left.total_seconds())

    def _kept(self, alive: Alive) -> Wire | None:
        """Return the connection from before, if it is good for another message."""
        wire = self._wire
        if wire is None:
            return None
        wire.alive = alive
        if 0 < self._config.batch <= self._carried:
            self.close()
        elif self._aborted.is_set() or wire.sock is None or wire.unprompted():
            self._drop()
        return self._wire

    def _open(self, alive: Alive) -> Wire:
        if self._aborted.is_set():
            why = "stopped by us"
            raise RouteError(why, Reply(451, "4.3.2", why))
        if self._context is None and self._config.tls is not Tls.NONE:
            self._context = context(self._config)
        self._wire = wire = Wire(self._who.hostname, self._clock, alive)
        self._carried = 0
        self._accepted = False
        try:
            open_session(wire, self._who, self._context)
        except RouteError:
            self._drop()
            # Authorities may have been replaced, or not been readable for
            # want of file descriptors: read them anew for the next try.
            self._context = None
            raise
        return wire

    def _run(
        self, transaction: Transaction, then: Letter | None
    ) -> tuple[Outcome, ...]:
        finished = False
        transaction.welcome = self._accepted
        ahead = self._prepared(then)
        try:
            outcomes = transaction.run(ahead.words if ahead else b"")
            finished = True
        finally:
            if not finished:  # for whatever reason: nobody knows where we stand
                self._drop()
        self._ahead = ahead if transaction.went_on else None
        self._carried += 1
        taken = Disposition.DELIVERED
        self._accepted |= any(each.disposition is taken for each in outcomes)
        self._ended = self._clock.monotonic()
        self._suspicion.cleared()
        return outcomes

    def _prepared(self, then: Letter | None) -> Ahead | None:
        """Return what can be said of the next one before this one has ended."""
        config = self._config
        enough = 0 < config.batch <= self._carried + 1
        if then is None or self._wire is None or enough or config.wait_interval:
            return None
        transaction = Transaction(self._wire, then, config)
        words = transaction.announcement()
        return Ahead(then, transaction, words) if words else None

    def _drop(self) -> None:
        wire, self._wire, self._ahead = self._wire, None, None
        if wire is not None:
            wire.close()

    def _blames(
        self,
        message: Letter,
        transaction: Transaction,
        error: Interrupted | ConnectionLost,
    ) -> bool:
        """Tell whether a broken conversation is blamed on the message."""
        queue_id = message.delivery.envelope.queue_id
        return self._suspicion.falls_on(queue_id, transaction.step, error) and not (
            self._aborted.is_set()
        )
