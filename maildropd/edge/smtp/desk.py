# SPDX-License-Identifier: Apache-2.0
"""Whom a session asks: may this mail come in, and has it?

The daemon's own desk asks policies and store; that of the gateway asks the
daemon, over its socket.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from maildropd.edge.parcel import Parcel
from maildropd.edge.smtp.grammar import BadCommand, Named, Offer
from maildropd.mail.reply import Reply

_XCLIENT = re.compile(r"([A-Za-z]+)=([0-9A-Za-z.:\[\]-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """For whom a gateway speaks: the ends of its client's connection."""

    address: str
    port: int
    server_address: str
    server_port: int


def introduced(argument: str) -> Client:
    """Read what XCLIENT says; raise ``BadCommand``."""
    said = {
        found[1].upper(): found[2].strip("[]")
        for word in argument.split()
        if (found := _XCLIENT.fullmatch(word))
    }
    try:
        return Client(
            address=said["ADDR"],
            port=int(said["PORT"]),
            server_address=said["DESTADDR"],
            server_port=int(said["DESTPORT"]),
        )
    except (KeyError, ValueError) as error:
        raise BadCommand("ADDR, PORT, DESTADDR and DESTPORT are needed") from error


class Desk(Protocol):
    """One session's counterpart; methods are called in the order of SMTP."""

    @property
    def size_limit(self) -> int:
        """How many octets a message may have."""
        ...

    @property
    def recipient_limit(self) -> int:
        """How many recipients a message may have."""
        ...

    @property
    def may_introduce(self) -> bool:
        """Whether this client may say for whom it speaks."""
        ...

    def introduce(self, client: Client) -> None:
        """Speak for this client from now on; raise ``MailError`` if not for him."""
        ...

    async def offer(self, offer: Offer) -> None:
        """Begin a message; raise ``MailError`` if it is not wanted."""
        ...

    async def name(self, named: Named) -> None:
        """Add a recipient; raise ``MailError`` if there is none."""
        ...

    def parcel(self) -> Parcel:
        """Return what the message goes into; whoever asked closes it."""
        ...

    async def take(self, parcel: Parcel) -> Reply:
        """Store the message; return the last word on it, or raise ``MailError``."""
        ...

    async def reset(self) -> None:
        """Forget the message that was begun."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...

    def refused(self, what: str, reply: Reply) -> None:
        """Be told that something was refused, for the log."""
        ...
