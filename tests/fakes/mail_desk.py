# SPDX-License-Identifier: Apache-2.0
"""A desk that takes what SMTP brings, and remembers it."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from maildropd.edge.parcel import Allowance, Parcel
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.grammar import Named, Offer
from maildropd.mail.errors import MailError
from maildropd.mail.reply import Reply


@dataclass(slots=True)
class Taken:
    """One message that was taken."""

    offer: Offer
    named: list[Named]
    content: bytes


@dataclass(slots=True)
class MailDesk:
    """Takes everything, but what it is told to refuse."""

    folder: Path
    size_limit: int = 1_000_000
    recipient_limit: int = 100
    may_introduce: bool = False
    refuses: dict[str, MailError] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    resets: int = 0
    closed: int = 0
    while_taking: asyncio.Event | None = None
    is_taking: asyncio.Event = field(default_factory=asyncio.Event)
    offered: Offer = field(default_factory=lambda: Offer(reverse_path=None))
    named: list[Named] = field(default_factory=list)
    allowance: Allowance | None = None

    def introduce(self, client: Client) -> None:
        self.clients.append(client)

    async def offer(self, offer: Offer) -> None:
        self._check("offer")
        self.offered, self.named = offer, []

    async def name(self, named: Named) -> None:
        self._check(named.forward_path)
        self.named.append(named)

    def parcel(self) -> Parcel:
        self.allowance = self.allowance or Allowance(10_000_000, self.folder)
        return Parcel(self.allowance, self.size_limit)

    async def take(self, parcel: Parcel) -> Reply:
        self.is_taking.set()
        if self.while_taking:
            await self.while_taking.wait()
        self._check("take")
        content = b"".join(parcel.after(0))
        self.taken.append(Taken(self.offered, list(self.named), content))
        return Reply(250, "2.0.0", "ok, queued as X")

    async def reset(self) -> None:
        self.resets += 1

    async def close(self) -> None:
        self.closed += 1

    def refused(self, what: str, reply: Reply) -> None:
        self.told.append(f"{reply.code} {what}")

    def _check(self, what: str) -> None:
        if error := self.refuses.get(what):
            raise error
