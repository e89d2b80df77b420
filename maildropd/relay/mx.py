# SPDX-License-Identifier: Apache-2.0
"""Mail to the servers that a domain names: all of them are tried in one attempt.

Only a server that could not be asked about the mail is followed by the next
one; what one answered counts, and so does a conversation that broke off.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery, Transport
from maildropd.relay.exchange import Exchanges, NoMailThere

_PATIENCE = timedelta(minutes=10)  # then no further server is tried
_FAITHFUL = timedelta(minutes=5)  # to one that is not the best


class MxTransport:
    """A connection to one of a domain's servers; see ``Transport``."""

    def __init__(
        self,
        domain: str,
        exchanges: Exchanges,
        connect: Callable[[str], Transport],
        clock: Clock,
    ) -> None:
        """``connect`` makes a transport to a host."""
        self._domain = domain
        self._exchanges = exchanges
        self._connect = connect
        self._clock = clock
        self._stopped = threading.Event()
        self._host = ""
        self._since = timedelta(0)
        self._present: Transport | None = None

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try one server after the other; raise what the last of them said."""
        try:
            hosts = self._exchanges.of(self._domain, alive)
        except NoMailThere as error:
            outcome = Outcome.of(error.reply, self._domain)
            return (outcome,) * len(delivery.recipients)
        until = self._clock.monotonic() + _PATIENCE
        why = f"{self._domain}: stopped by us"
        trouble = RouteError(why, Reply(451, "4.3.2", why))
        for host in self._in_order(hosts):
            if self._stopped.is_set() or self._clock.monotonic() > until:
                break
            try:
                return self._to(host).attempt(delivery, alive)
            except RouteError as error:
                trouble = error
                self.close()
        raise trouble

    def close(self) -> None:
        """Let go of the connection."""
        present, self._present = self._present, None
        if present is not None:
            present.close()

    def abort(self) -> None:
        """Break it off, and try no other server."""
        self._stopped.set()
        present = self._present
        if present is not None:
            present.abort()

    def _in_order(self, hosts: Sequence[str]) -> list[str]:
        """Return the hosts, that first which is connected; but not for ever."""
        kept = self._present is not None and self._host in hosts
        if kept and self._clock.monotonic() - self._since < _FAITHFUL:
            return [self._host, *(host for host in hosts if host != self._host)]
        return list(hosts)

    def _to(self, host: str) -> Transport:
        if self._present is None or self._host != host:
            self.close()
            self._host, self._since = host, self._clock.monotonic()
            self._present = self._connect(host)
            if self._stopped.is_set():  # by who may not have seen this one
                self._present.abort()
        return self._present
