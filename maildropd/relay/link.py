# SPDX-License-Identifier: Apache-2.0
"""The connection that a transport keeps.

It is opened when it is needed, checked before it is used again, and given up
after so many messages.
"""

import ssl
import threading
from collections.abc import Collection
from contextlib import ExitStack, suppress
from datetime import timedelta

from maildropd.config.relay import Tls
from maildropd.host.clock import Clock
from maildropd.mail.errors import RouteError
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive
from maildropd.relay.session import Identity, open_session
from maildropd.relay.tls import context
from maildropd.relay.wire import ConnectionLost, Wire

_GOODBYE = timedelta(seconds=2)


class Link:
    """Used by one thread; ``abort`` by any."""

    def __init__(self, who: Identity, clock: Clock) -> None:
        """Take what the connection needs; nothing is opened before it is used."""
        self.wire: Wire | None = None
        self.accepted = False  # one message was taken over this connection
        self._config = who.config
        self._who = who
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self._carried = 0  # messages, on this connection
        self._ended: timedelta | None = None  # the last message
        self._aborted = threading.Event()

    @property
    def aborted(self) -> bool:
        """Tell whether it was broken off by us."""
        return self._aborted.is_set()

    @property
    def offered(self) -> Collection[str]:
        """What the server has announced; nothing while there is no connection."""
        return self.wire.esmtp_features if self.wire else ()

    @property
    def is_used_up(self) -> bool:
        """Tell whether no other message is to go right behind this one."""
        if self._config.wait_interval:
            return True
        return 0 < self._config.max_messages <= self._carried + 1

    def pause(self, alive: Alive) -> None:
        """Wait for as long as was asked for between two messages."""
        if self._ended is None or not self._config.wait_interval:
            return
        left = self._ended + self._config.wait_interval - self._clock.monotonic()
        if left > timedelta(0):
            alive(left)
            self._aborted.wait(left.total_seconds())

    def goes_on(self, alive: Alive) -> bool:
        """Tell whether there is a connection, whatever came over it meanwhile."""
        if self.wire is None:
            return False
        self.wire.alive = alive
        return True

    def kept(self, alive: Alive) -> Wire | None:
        """Return the connection from before, if it is good for another message."""
        if not self.goes_on(alive) or self.wire is None:
            return None
        if 0 < self._config.max_messages <= self._carried:
            self.close()
        elif self.aborted or self.wire.sock is None or self.wire.unprompted():
            self.drop()
        return self.wire

    def open(self, alive: Alive) -> Wire:
        """Return a new connection; raise ``RouteError``."""
        if self.aborted:
            why = "stopped by us"
            raise RouteError(why, Reply(451, "4.3.2", why))
        if self._context is None and self._config.tls is not Tls.NONE:
            self._context = context(self._config)
        self.wire = wire = Wire(self._who.hostname, self._clock, alive)
        if self._aborted.is_set():  # just now, by who may not have seen this one
            wire.abort()
        self._carried = 0
        self.accepted = False
        with ExitStack() as undo:
            undo.callback(self._not_opened)
            open_session(wire, self._who, self._context)
            undo.pop_all()
        return wire

    def _not_opened(self) -> None:
        """Keep nothing: it may be in clear, and nobody may be logged in."""
        self.drop()
        # Authorities may have been replaced, or not been readable for want of
        # file descriptors: read them anew for the next try.
        self._context = None

    def carried(self, *, taken: bool) -> None:
        """Note that a message is through."""
        self._carried += 1
        self.accepted |= taken
        self._ended = self._clock.monotonic()

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        wire, self.wire = self.wire, None
        if wire is None or wire.sock is None:
            return
        with suppress(ConnectionLost):  # it is to be closed anyway
            # Its answer says nothing that matters, and a server that keeps it
            # to itself would hold up the next message.
            wire.step("QUIT", _GOODBYE)
            wire.putcmd("QUIT")
        wire.close()

    def drop(self) -> None:
        """Let go of the connection without a word."""
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close()

    def abort(self) -> None:
        """Break the connection off; the one call other threads may make."""
        self._aborted.set()
        wire = self.wire
        if wire is not None:
            wire.abort()
