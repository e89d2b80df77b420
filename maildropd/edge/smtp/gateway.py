# SPDX-License-Identifier: Apache-2.0
"""SMTP over TCP: parsed here, by a process that can do nothing else, and passed on.

Each command is read, understood, and written anew for the daemon, which has
the last word on every sender, recipient and message.
"""

from contextlib import suppress
from pathlib import Path

from maildropd.edge.parcel import Allowance, Parcel
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.grammar import Named, Offer
from maildropd.edge.smtp.upstream import Upstream
from maildropd.mail.errors import MailError, StoreUnusable
from maildropd.mail.reply import Reply


class Known:
    """What the daemon said last of its limits; shared by all sessions."""

    def __init__(self, size_limit: int, recipient_limit: int) -> None:
        """Begin with what holds where nobody has said otherwise."""
        self.size_limit = size_limit
        self.recipient_limit = recipient_limit


class GatewayDesk:
    """The desk of one TCP client; see the Protocol in desk.py."""

    may_introduce = False

    def __init__(
        self, socket: Path, client: Client, allowance: Allowance, known: Known
    ) -> None:
        """Speak to the daemon at a socket, once there is something to say."""
        self._socket = socket
        self._client = client
        self._allowance = allowance
        self._known = known
        self._upstream: Upstream | None = None
        self._begun = False  # a message, at the daemon

    @property
    def size_limit(self) -> int:
        """As the daemon said last."""
        return self._known.size_limit

    @property
    def recipient_limit(self) -> int:
        """The daemon counts for itself; this keeps what is passed on bounded."""
        return self._known.recipient_limit

    def introduce(self, client: Client) -> None:
        """Nobody may."""
        raise NotImplementedError

    async def offer(self, offer: Offer) -> None:
        """Pass MAIL on."""
        if self._upstream is None:
            self._upstream = await Upstream.open(self._socket, self._client)
            self._known.size_limit = self._upstream.size_limit
        said = {
            "SIZE": str(offer.size) if offer.size else "",
            "RET": offer.ret,
            "ENVID": offer.envid,
            "XKEY": offer.key or "",
        }
        words = [f"MAIL FROM:<{offer.reverse_path or ''}>"]
        words += [f"{name}={value}" for name, value in said.items() if value]
        words += ["SMTPUTF8"] * offer.utf8
        await self._ask(" ".join(words))
        self._begun = True

    async def name(self, named: Named) -> None:
        """Pass RCPT on."""
        words = [f"RCPT TO:<{named.forward_path}>"]
        words += [f"NOTIFY={named.notify}"] * bool(named.notify)
        words += [f"ORCPT={named.orcpt}"] * bool(named.orcpt)
        await self._ask(" ".join(words))

    def parcel(self) -> Parcel:
        """Return a new one."""
        return Parcel(self._allowance, self.size_limit)

    async def take(self, parcel: Parcel) -> Reply:
        """Pass the content on; the daemon's last word is ours."""
        try:
            reply = await self._up.send(parcel.after(0))
        except StoreUnusable:
            self._hang_up()
            raise
        finally:
            self._begun = False
        return reply

    async def reset(self) -> None:
        """Forget the message, there too."""
        if self._begun and self._upstream is not None:
            with suppress(MailError):  # the next message asks anew
                await self._ask("RSET")
        self._begun = False

    async def close(self) -> None:
        """Hang up."""
        self._hang_up()

    def refused(self, what: str, reply: Reply) -> None:
        """The daemon has told it, or nobody is to blame but the client."""

    async def _ask(self, command: str) -> None:
        try:
            await self._up.ask(command)
        except StoreUnusable:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()

    @property
    def _up(self) -> Upstream:
        if self._upstream is None:
            raise StoreUnusable("the connection to maildropd was lost")
        return self._upstream
