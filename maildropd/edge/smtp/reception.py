# SPDX-License-Identifier: Apache-2.0
"""The gateway's connections: so many at a time, and nobody who talks waits long.

Where all places are taken, that client goes who has been silent for longest,
and first of those who have not begun a message: whoever has was let in by the
daemon, which knows users and counts what each has.
"""

import asyncio
from contextlib import suppress

from maildropd.config.model import QueueConfig
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.gateway import GatewayDesk, Known, Office
from maildropd.edge.smtp.session import Session
from maildropd.edge.smtp.talks import Talks
from maildropd.edge.smtp.upstream import Upstream
from maildropd.edge.smtp.wire import Wire
from maildropd.host import tcp_owner
from maildropd.mail.errors import MailError
from maildropd.mail.reply import Reply

_MOST = 400  # connections
_IDLE = 300.0  # seconds
_GRACE = 5.0  # seconds, at a stop, for what has begun
_LINGER = 10.0
_BUSY = Reply(421, "4.3.2", "too many connections, and this one was silent")


class Reception:
    """All connections of this process."""

    def __init__(self, office: Office, hostname: str) -> None:
        """Pass everything on to the daemon."""
        self._office = office
        queue = QueueConfig()
        self._known = Known(queue.message_size_limit, queue.recipient_limit)
        self._hostname = hostname
        self._talks = Talks()
        self._sessions: set[asyncio.Task[None]] = set()
        self._here: dict[Wire, asyncio.Task[None]] = {}
        self._begun: dict[Wire, GatewayDesk] = {}

    async def learn(self) -> None:
        """Ask the daemon for its limits; where it is not there yet, guess."""
        with suppress(MailError):
            upstream = await Upstream.open(self._office.socket, None)
            self._known.size_limit = upstream.size_limit
            upstream.close()

    def accept(self) -> Wire:
        """Return what a new connection speaks over."""
        self._make_room()
        wire = Wire(_IDLE)
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._here[wire] = task
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        return wire

    async def close(self) -> None:
        """End all sessions; a message that is being stored comes to its end."""
        sessions = list(self._sessions)
        self._talks.stop()
        if sessions:
            await asyncio.wait(sessions, timeout=_GRACE)
        for session in self._sessions:
            session.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=_LINGER)

    def _make_room(self) -> None:
        if len(self._here) < _MOST:
            return
        idlest = min(self._here, key=self._worth)
        idlest.dismiss(_BUSY)
        # From here on he does not count, though he may need a moment to go.
        self._here.pop(idlest).cancel()

    def _worth(self, wire: Wire) -> tuple[bool, float]:
        desk = self._begun.get(wire)
        return desk is not None and desk.is_at_work, wire.silent_since

    async def _serve(self, wire: Wire) -> None:
        try:
            peer, own = tcp_owner.ends(await wire.connected())
            client = Client(
                address=peer[0], port=peer[1], server_address=own[0], server_port=own[1]
            )
            desk = GatewayDesk(self._office, client, self._known)
            self._begun[wire] = desk
            await self._talks.run(Session(wire, desk, self._hostname))
        except OSError:
            wire.abort()  # it has gone again
        finally:
            self._here.pop(wire, None)
            self._begun.pop(wire, None)
