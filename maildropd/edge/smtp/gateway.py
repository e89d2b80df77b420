# SPDX-License-Identifier: Apache-2.0
"""SMTP over TCP: parsed here, by a process that can do nothing else, and passed on.

Each command is read, understood, and written anew for the daemon, which has
the last word on every sender, recipient and message.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from maildropd.edge.parcel import Allowance, Holding, Parcel
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.grammar import Named, Offer
from maildropd.edge.smtp.upstream import PutOff, Refused, Upstream
from maildropd.mail.errors import MailError, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.reply import Reply
from maildropd.mail.submission_events import SubmissionRefused

_TOLD = 20  # refusals of one session, in the log
_GONE = ("4.3.0", "4.3.2")  # the daemon stops, or is not there
_AT_ONCE = 16  # clients that ask the daemon to be let in


class Known:
    """What the daemon said last of its limits; shared by all sessions."""

    def __init__(self, size_limit: int, recipient_limit: int) -> None:
        """Begin with what holds where nobody has said otherwise."""
        self.size_limit = size_limit
        self.recipient_limit = recipient_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the desks of all clients share."""

    socket: Path  # the daemon's
    allowance: Allowance
    journal: Journal
    # Else a thousand clients at once take all places at the daemon's door, only
    # to hear that they are too many.
    opening: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_AT_ONCE)
    )


class GatewayDesk:
    """The desk of one TCP client; see the Protocol in desk.py."""

    may_introduce = False

    def __init__(self, office: Office, client: Client, known: Known) -> None:
        """Speak to the daemon at a socket, once there is something to say."""
        self._office = office
        self._client = client
        self._known = known
        self._answered: Reply | None = None  # the daemon's last no
        self._told = 0
        self._upstream: Upstream | None = None
        self._offer: Offer | None = None  # of the message that was begun
        self._named: list[Named] = []
        self._held = Holding(office.allowance)

    @property
    def is_at_work(self) -> bool:
        """Whether the daemon has let this client in."""
        return self._upstream is not None

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
        """Pass MAIL on, with a key of ours if the client has none."""
        self._forget()
        self._offer = replace(offer, key=offer.key or f"gw-{secrets.token_hex(16)}")
        try:
            if self._upstream is None or not await self._is_offered():
                await self._insist(_nothing, self._repeat)
        except MailError:
            self._forget()
            raise

    async def name(self, named: Named) -> None:
        """Pass RCPT on."""
        self._held.take(named.weight)
        await self._insist(partial(self._ask, _rcpt(named)), self._repeat)
        self._named.append(named)

    def parcel(self) -> Parcel:
        """Return a new one."""
        return Parcel(self._office.allowance, self.size_limit)

    async def take(self, parcel: Parcel) -> Reply:
        """Pass the content on; the daemon's last word is ours."""

        async def send() -> Reply:
            try:
                return await self._up.send(parcel)
            except (Refused, PutOff) as error:
                self._answered = error.reply
                raise

        try:
            return await self._insist(send, self._repeat)
        finally:
            self._forget()

    async def reset(self) -> None:
        """Forget the message, there too."""
        if self._offer is not None and self._upstream is not None:
            with suppress(MailError):  # the next message asks anew
                await self._ask("RSET")
        self._forget()

    async def close(self) -> None:
        """Hang up."""
        self._forget()
        self._hang_up()

    def refused(self, what: str, reply: Reply) -> None:
        """Log what never came to the daemon; what did, it has logged with the uid."""
        self._told += 1
        if reply == self._answered or self._told > _TOLD:
            return
        sender = self._offer.reverse_path if self._offer else None
        self._office.journal.emit(
            SubmissionRefused(
                submitter="smtp",
                submitter_client=self._client.address,
                sender=sender or "",
                reason=what,
                reply=reply,
            )
        )

    async def _is_offered(self) -> bool:
        """Offer over the connection from before; False if that has gone."""
        assert self._offer is not None
        try:
            await self._ask(_mail(self._offer))
        except (StoreUnusable, PutOff) as error:
            self._hang_up()
            if error.reply.status not in _GONE:
                raise
            return False
        return True

    async def _insist(
        self, work: Callable[[], Awaitable[Reply]], again: Callable[[], Awaitable[None]]
    ) -> Reply:
        """Do it; once more from the start if the daemon has just gone away.

        It is about to be back, and its socket waits for it.  The key makes one
        mail of a message that was stored before its 250 was lost.
        """
        try:
            if self._upstream is None:
                await again()
            return await work()
        except (StoreUnusable, PutOff) as error:
            self._hang_up()
            if error.reply.status not in _GONE:
                raise
        try:
            await again()
            return await work()
        except (StoreUnusable, PutOff):
            self._hang_up()
            raise

    async def _repeat(self) -> None:
        """Say again what was said of this message until now."""
        if self._offer is None:
            raise StoreUnusable("the connection to maildropd was lost")
        said = (_mail(self._offer), *map(_rcpt, self._named))
        try:
            async with self._office.opening:
                path, client = self._office.socket, self._client
                upstream = await Upstream.open(path, client, said)
        except (Refused, PutOff) as error:
            self._answered = error.reply
            raise
        self._upstream = upstream
        self._known.size_limit = upstream.size_limit

    async def _ask(self, command: str) -> Reply:
        try:
            return await self._up.ask(command)
        except (Refused, PutOff) as error:
            self._answered = error.reply
            raise

    def _forget(self) -> None:
        self._offer = None
        self._named = []
        self._held.let_go()
        self._held = Holding(self._office.allowance)

    def _hang_up(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()

    @property
    def _up(self) -> Upstream:
        if self._upstream is None:
            raise StoreUnusable("the connection to maildropd was lost")
        return self._upstream


async def _nothing() -> Reply:
    """What was to be said was said in connecting."""
    return Reply(250, "2.0.0")


def _mail(offer: Offer) -> str:
    said = {
        "SIZE": str(offer.size) if offer.size else "",
        "RET": offer.ret,
        "ENVID": offer.envid,
        "XKEY": offer.key or "",
        "XVERP": offer.verp,
    }
    words = [f"MAIL FROM:<{offer.reverse_path or ''}>"]
    words += [f"{name}={value}" for name, value in said.items() if value]
    return " ".join([*words, *["SMTPUTF8"] * offer.utf8, *["XHOLD"] * offer.hold])


def _rcpt(named: Named) -> str:
    words = [f"RCPT TO:<{named.forward_path}>"]
    words += [f"NOTIFY={named.notify}"] * bool(named.notify)
    words += [f"ORCPT={named.orcpt}"] * bool(named.orcpt)
    return " ".join(words)
