# SPDX-License-Identifier: Apache-2.0
"""The ways that end on this host: what each may use, and who walks it.

They are few threads each: a command that hangs must hold up neither files nor
relays.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from maildropd.config.model import Config
from maildropd.host.clock import Clock
from maildropd.mail.reply import Reply
from maildropd.queue.crew import LaneLimits
from maildropd.relay.base import Transport
from maildropd.relay.local.append import FileTransport
from maildropd.relay.local.discard import AnswerTransport
from maildropd.relay.local.maildir import MaildirTransport
from maildropd.relay.local.nowhere import NowhereTransport
from maildropd.relay.local.run import CommandTransport
from maildropd.route.base import NextHop, Way

Transports = Callable[[], Transport]

_ALONE = LaneLimits(max_connections=1, idle_timeout=timedelta(seconds=10))
LIMITS: Mapping[Way, LaneLimits] = {
    Way.CAPTURE: _ALONE,
    Way.COMMAND: replace(_ALONE, max_connections=2),
    Way.FILE: _ALONE,
    Way.DISCARD: _ALONE,
    Way.ERROR: _ALONE,
    # It never asks: what it gets was asked for by others, and only waits.
    Way.NOWHERE: replace(_ALONE, depth=0),
}
_DESCRIPTORS: Mapping[Way, int] = {Way.CAPTURE: 3, Way.COMMAND: 7, Way.FILE: 3}


def descriptors(hops: Iterable[NextHop]) -> int:
    """Return how many file descriptors all these ways may use."""
    return sum(
        LIMITS[hop.way].max_connections * _DESCRIPTORS.get(hop.way, 0)
        for hop in hops
        if hop.way in LIMITS
    )


def transports(hop: NextHop, config: Config, hostname: str, clock: Clock) -> Transports:
    """Return what makes the transports of such a way."""
    match hop.way:
        case Way.CAPTURE:
            path = Path(hop.destination.removeprefix("maildir:"))
            return lambda: MaildirTransport(path, hostname)
        case Way.COMMAND:
            return lambda: CommandTransport(clock)
        case Way.FILE:
            return FileTransport
        case Way.DISCARD | Way.ERROR:
            reply = _reply(hop, config)
            return lambda: AnswerTransport(reply, hop.destination)
        case _:
            names = frozenset(each.name for each in config.submitters)
            return lambda: NowhereTransport(names)


def _reply(hop: NextHop, config: Config) -> Reply:
    """Return what a route that ends mail here says, and that it was the route."""
    by = f"[route {hop.route}]"
    if hop.way is Way.DISCARD:
        return Reply(250, "2.0.0", f"discarded by {by}")
    said = next(each.error for each in config.routes if each.name == hop.route)
    if said is None:
        raise ValueError(f"{by} refuses nothing")
    return Reply(said.code, said.status, f"{said.text} (refused by {by})".lstrip())
