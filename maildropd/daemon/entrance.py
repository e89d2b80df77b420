# SPDX-License-Identifier: Apache-2.0
"""What stands between programs and the injector: doors, desks, policies.

The doors live as long as the process; behind them, each reload puts other
policies in place.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from maildropd.config.model import Config
from maildropd.daemon.engine import Surroundings
from maildropd.edge.doors import Doors, Place
from maildropd.edge.entry import Entry, Injector
from maildropd.edge.ferry import Ferry
from maildropd.edge.listener import Crowd, Door, Serve
from maildropd.edge.parcel import Allowance
from maildropd.edge.sendmail import session
from maildropd.edge.sendmail.clerk import Clerk, Queue
from maildropd.edge.smtp.local import LocalDesk, Office
from maildropd.edge.smtp.session import Session
from maildropd.edge.smtp.talks import Talks
from maildropd.edge.smtp.wire import Wire
from maildropd.host import descriptors
from maildropd.host.accounts import Accounts
from maildropd.host.peer import Peer
from maildropd.host.process import host_name
from maildropd.host.units import Units
from maildropd.mail.envelope import Submitter
from maildropd.policy.aliases import Aliases
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.gate import Book, Gate
from maildropd.policy.names import Names
from maildropd.policy.quota import Quotas
from maildropd.policy.rules import Rules

_HOUSE = 64  # descriptors; see shares.py for the relays'
_FEW = 4
_MEMORY = 10 * 1024 * 1024  # octets of messages that are coming in


@dataclass(frozen=True, slots=True, kw_only=True)
class Lodge:
    """What the policies lean on, whatever the configuration."""

    accounts: Accounts
    quotas: Quotas
    units: Units
    ferry: Ferry
    surroundings: Surroundings

    @classmethod
    def of(cls, surroundings: Surroundings) -> "Lodge":
        """Build it."""
        return cls(
            accounts=Accounts(surroundings.clock),
            quotas=Quotas(surroundings.clock),
            units=Units(),
            ferry=Ferry(),
            surroundings=surroundings,
        )


def names(config: Config, lodge: Lodge) -> Names:
    """Build what knows our own names, by one configuration."""
    hostname = config.daemon.hostname or host_name()
    journal = lodge.surroundings.journal
    aliases = Aliases(config.names.aliases, journal)
    forwards = ForwardMap(config.names.forward_map, journal)
    return Names(config.names, hostname, aliases, forwards)


def entry(config: Config, injector: Injector, lodge: Lodge, known: Names) -> Entry:
    """Build the policies of one configuration."""
    hostname = config.daemon.hostname or host_name()
    gate = Gate(
        Book(
            names=config.names,
            queue=config.queue,
            hostname=hostname,
            quotas=lodge.quotas,
        ),
        known,
        Rules(config.submission, config.submitters, lodge.accounts, os.geteuid()),
        lodge.surroundings.clock,
    )
    return Entry(gate=gate, injector=injector, ferry=lodge.ferry)


def doors(
    config: Config,
    present: Callable[[], Entry],
    lodge: Lodge,
    queue: Queue,
    inherited: Mapping[str, Sequence[socket.socket]],
) -> Doors:
    """Build the doors; ``present`` is asked for the entry of each moment."""
    journal = lodge.surroundings.journal
    limits = config.submission
    most = min(limits.max_connections, _places(descriptors.allowed()))
    crowd = Crowd(most, _share(most, present))
    office = Office(
        entry=present,
        allowance=Allowance(_MEMORY, config.daemon.state_directory),
        journal=journal,
        crowd=crowd,
    )
    talks = Talks()
    smtp = Door(
        name="submission",
        serve=_smtp(config, office, lodge, talks),
        refuse=_busy,
        stop=talks.stop,
    )
    clerk = Clerk(entry=present, queue=queue)
    carried = Door(
        name="sendmail",
        serve=_sendmail(config, office, clerk, lodge),
        refuse=session.refuse,
    )
    places = [
        Place(door=smtp, path=limits.socket),
        Place(door=carried, path=limits.sendmail_socket),
    ]
    return Doors(places, inherited, crowd, journal)


def _places(limit: int) -> int:
    """Return how many sessions leave the rest of the house its descriptors."""
    return max(_FEW, (limit - _HOUSE) // 2)


def _share(most: int, present: Callable[[], Entry]) -> Callable[[Peer], int]:
    """Return how many connections a user may have; a gateway's are its clients'."""

    def share(peer: Peer) -> int:
        gate, who = present().gate, _submitter("", peer, None)
        if gate.may_speak_for_others(who):
            return most
        return gate.connection_limit(who)

    return share


def _smtp(config: Config, office: Office, lodge: Lodge, talks: Talks) -> Serve:
    hostname = config.daemon.hostname or host_name()
    idle = config.submission.idle_timeout.total_seconds()

    async def serve(connection: socket.socket, peer: Peer) -> None:
        wire = Wire(idle)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: wire, connection)
        submitter = _submitter("smtp", peer, lodge.units.of(peer.pid))
        await talks.run(Session(wire, LocalDesk(office, submitter), hostname))

    return serve


def _sendmail(config: Config, office: Office, clerk: Clerk, lodge: Lodge) -> Serve:
    idle = config.submission.idle_timeout.total_seconds()

    async def serve(connection: socket.socket, peer: Peer) -> None:
        submitter = _submitter("sendmail", peer, lodge.units.of(peer.pid))
        one = session.Session(connection, (peer, submitter), idle)
        await one.run(clerk, office.allowance, office.journal)

    return serve


def _busy(why: str) -> bytes:
    return f"421 4.7.0 {why}\r\n".encode("ascii")


def _submitter(door: str, peer: Peer, unit: str | None) -> Submitter:
    return Submitter(name=door, uid=peer.uid, gid=peer.gid, pid=peer.pid, unit=unit)
