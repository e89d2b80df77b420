# SPDX-License-Identifier: Apache-2.0
"""The question a router answers, anew at each attempt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from maildropd.mail.envelope import Envelope
from maildropd.store.base import LeasedRecipient


class Way(StrEnum):
    """How a next hop is reached; all but the first two are on this host."""

    RELAY = "relay"
    MX = "mx"  # the servers of a domain, which DNS knows
    CAPTURE = "capture"  # a Maildir, and nobody else hears of it
    COMMAND = "command"  # what an alias wants run
    FILE = "file"  # what an alias wants appended to
    DISCARD = "discard"  # nobody gets it
    ERROR = "error"  # refused by a route
    NOWHERE = "none"  # the configuration has no way: it waits, and says why


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where a recipient goes: recipients with equal next hops travel together."""

    relay: str  # the name of a [relay NAME] section; empty for other ways
    destination: str  # "mx.example.net:587", "maildir:/path", for people
    way: Way = Way.RELAY
    route: str = ""  # the [route NAME] that discards, or refuses


class Router(Protocol):
    """Knows the way; asked at each attempt, so that a changed config moves mail."""

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        """Return where this recipient may go, the best first; at least one.

        Another one takes its place while that does not work.
        """
        ...
