# SPDX-License-Identifier: Apache-2.0
"""The ways out, built: a lane for each next hop, with what it may use.

Lanes on this host are few threads each: a command that hangs must hold up
neither files nor relays.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config
from maildropd.config.relay import RelayConfig
from maildropd.daemon.engine import Surroundings
from maildropd.host import credentials
from maildropd.host.process import host_name
from maildropd.queue.attempt import Attempt
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Routing
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge
from maildropd.relay.append import FileTransport
from maildropd.relay.base import Transport
from maildropd.relay.login import Login
from maildropd.relay.maildir import MaildirTransport
from maildropd.relay.nowhere import NowhereTransport
from maildropd.relay.run import CommandTransport
from maildropd.relay.smtp import SmtpTransport
from maildropd.route.base import NextHop, Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import QueueStore

_IDLE = timedelta(seconds=10)
_LOCAL: Mapping[Way, LaneLimits] = {
    Way.CAPTURE: LaneLimits(max_connections=1, idle_timeout=_IDLE),
    Way.COMMAND: LaneLimits(max_connections=2, idle_timeout=_IDLE),
    Way.FILE: LaneLimits(max_connections=1, idle_timeout=_IDLE),
    # It never asks: what it gets was asked for by others, and only waits.
    Way.NOWHERE: LaneLimits(max_connections=1, idle_timeout=_IDLE, depth=0),
}
_DESCRIPTORS: Mapping[Way, int] = {
    Way.CAPTURE: 3,
    Way.COMMAND: 7,
    Way.FILE: 3,
    Way.NOWHERE: 0,
}

Transports = Callable[[], Transport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the lanes of a configuration would use."""

    connections: int  # to relays
    local: int  # file descriptors of all other ways


def needs(config: Config) -> Needs:
    """Count over all lanes that there will be."""
    hops = list(RulesRouter(config).hops())
    used = _used(config)
    return Needs(
        connections=sum(relay.max_connections for relay in used.values()),
        local=sum(
            _LOCAL[hop.way].max_connections * _DESCRIPTORS[hop.way]
            for hop in hops
            if hop.way is not Way.RELAY
        ),
    )


def within(config: Config, connections: int) -> Config:
    """Let all relays together use no more connections; each has one at least."""
    used = _used(config)
    wanted = sum(relay.max_connections for relay in used.values())
    if wanted <= connections:
        return config
    few = {
        name: replace(
            relay,
            max_connections=max(1, relay.max_connections * connections // wanted),
        )
        for name, relay in used.items()
    }
    return replace(
        config,
        relay=few[config.relay.name],
        relays=tuple(few.get(relay.name, relay) for relay in config.relays),
    )


def routing(config: Config, store: QueueStore, around: Surroundings) -> Routing:
    """Build all lanes; raise ``ConfigErrors`` if a secret cannot be had."""
    backoff = Backoff(
        first=config.queue.first_retry, slowest=config.queue.slowest_retry
    )
    judge = Judge(backoff, random.random)
    attempt = Attempt(store, judge, around.journal, around.clock)
    router = RulesRouter(config)
    builder = _Builder(config, around, attempt)
    lanes = {hop: builder.lane(hop) for hop in router.hops()}
    return Routing(router=router, lanes=lanes, attempt=attempt)


class _Builder:
    """Makes the lanes of one configuration."""

    def __init__(self, config: Config, around: Surroundings, attempt: Attempt) -> None:
        self._config = config
        self._around = around
        self._attempt = attempt
        self._relays = _used(config)
        self._hostname = config.daemon.hostname or host_name()

    def lane(self, hop: NextHop) -> Lane:
        breaker = Breaker(self._around.clock)
        watch = RouteWatch(hop.destination, breaker, self._around.journal)
        limits, transports = self._of(hop)
        return Lane(limits, breaker, watch, self._attempt, transports)

    def _of(self, hop: NextHop) -> tuple[LaneLimits, Transports]:
        clock = self._around.clock
        match hop.way:
            case Way.RELAY:
                return self._of_relay(self._relays[hop.relay])
            case Way.CAPTURE:
                path = Path(hop.destination.removeprefix("maildir:"))
                return _LOCAL[hop.way], lambda: MaildirTransport(path, self._hostname)
            case Way.COMMAND:
                return _LOCAL[hop.way], lambda: CommandTransport(clock)
            case Way.FILE:
                return _LOCAL[hop.way], FileTransport
            case Way.NOWHERE:
                names = frozenset(each.name for each in self._config.submitters)
                return _LOCAL[hop.way], lambda: NowhereTransport(names)

    def _of_relay(self, relay: RelayConfig) -> tuple[LaneLimits, Transports]:
        login, clock = _login(relay, self._config.source), self._around.clock
        limits = LaneLimits(
            max_connections=relay.max_connections, idle_timeout=relay.idle_timeout
        )
        return limits, lambda: SmtpTransport(relay, login, self._hostname, clock)


def _used(config: Config) -> dict[str, RelayConfig]:
    """Return the relays that some mail goes to, by name; the default first."""
    said = {relay.name: relay for relay in config.relays}
    names = [each.relay for each in config.submitters if each.relay]
    return {config.relay.name: config.relay} | {
        name: said[name] for name in names if name != config.relay.name
    }


def _login(relay: RelayConfig, source: Path) -> Login | None:
    """Return who we are at a relay."""
    if not relay.username:
        return None
    try:
        if relay.password_file:
            password = credentials.of_file(relay.password_file)
        else:
            password = credentials.of_service(relay.password_credential)
    except credentials.SecretUnavailable as error:
        place = Place(file=source)
        raise ConfigErrors([Mistake(place=place, text=str(error))]) from error
    return Login(username=relay.username, password=password)
