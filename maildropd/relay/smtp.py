# SPDX-License-Identifier: Apache-2.0
"""Mail by SMTP to one smarthost, over a connection that is kept.

docs/ERRORS.md has the table of what a server may do and what is made of it.
"""

import contextlib
import ssl
import threading
from dataclasses import replace
from datetime import timedelta

from maildropd.config.relay import RelayConfig, Tls
from maildropd.host.clock import Clock
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import RouteError, RouteMisconfigured, StoreUnusable
from maildropd.mail.outcome import Disposition, Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.dialogue import Interrupted
from maildropd.relay.letter import Letter, letter
from maildropd.relay.login import Login
from maildropd.relay.refusal import Step, cut
from maildropd.relay.session import Identity, open_session
from maildropd.relay.tls import context
from maildropd.relay.transaction import Transaction
from maildropd.relay.wire import ConnectionLost, Wire

_RECIPIENTS = 100  # in one transaction; any server takes as many (RFC 5321 4.5.3.1.8)
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
        self._suspect: QueueId | None = None

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try once; large numbers of recipients in several transactions."""
        message = letter(delivery)
        outcomes: list[Outcome] = []
        for start in range(0, len(delivery.recipients), _RECIPIENTS):
            try:
                part = delivery.part(start, start + _RECIPIENTS)
                outcomes += self._carry(replace(message, delivery=part), alive)
            except (RouteError, StoreUnusable) as error:
                # Who has the mail already must not get it again for this.
                if not outcomes:
                    raise
                rest = cut(error.reply, self._config.destination)
                outcomes += [rest] * (len(delivery.recipients) - start)
                break
        return tuple(outcomes)

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        wire, self._wire = self._wire, None
        if wire is None or wire.sock is None:
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

    def _carry(self, message: Letter, alive: Alive) -> tuple[Outcome, ...]:
        self._pause(alive)
        wire = self._kept(alive)
        if wire is not None:
            # It may have died of idleness, or of the server's own limits: that
            # says nothing about this message, a fresh one asks again at once.
            transaction = self._transaction(wire, message)
            try:
                return self._run(transaction)
            except (Interrupted, ConnectionLost):
                pass
            except RouteMisconfigured as error:
                # Said to one who had a yes before, it is about this message.
                if self._accepted:
                    return transaction.end(error.reply, Sign.OPEN)
                raise
        transaction = self._transaction(self._open(alive), message)
        try:
            return self._run(transaction)
        except (Interrupted, ConnectionLost) as error:
            if transaction.refused or self._own_fault(message, transaction, error):
                return transaction.end(error.reply, Sign.CUT)
            raise RouteError(error.reply.text, error.reply) from error

    def _transaction(self, wire: Wire, message: Letter) -> Transaction:
        welcome = self._accepted  # over this wire: a fresh one begins with no
        return Transaction(wire, message, self._config, welcome=welcome)

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

    def _run(self, transaction: Transaction) -> tuple[Outcome, ...]:
        finished = False
        try:
            outcomes = transaction.run()
            finished = True
        finally:
            if not finished:  # for whatever reason: nobody knows where we stand
                self._drop()
        self._carried += 1
        taken = Disposition.DELIVERED
        self._accepted |= any(each.disposition is taken for each in outcomes)
        self._ended = self._clock.monotonic()
        self._suspect = None
        return outcomes

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _own_fault(
        self,
        message: Letter,
        transaction: Transaction,
        error: Interrupted | ConnectionLost,
    ) -> bool:
        """Tell whether a broken conversation is blamed on the message.

        Blaming the route each time would let one message that a server cannot
        stomach close the route for all; blaming the message each time would
        put off all mail for hours because of a server that restarts.
        """
        queue_id = message.delivery.envelope.queue_id
        before, self._suspect = self._suspect, queue_id
        if self._aborted.is_set():
            return False
        if before == queue_id:  # the same one twice running
            return True
        if isinstance(error, Interrupted):  # 421: the server speaks of itself
            return False
        return before is None or transaction.step is Step.CONTENT
