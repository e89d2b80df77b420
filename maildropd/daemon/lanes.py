# SPDX-License-Identifier: Apache-2.0
"""The ways out, built: a lane for each next hop, with what it may use.

What ends on this host is in daemon/local_ways.py.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config
from maildropd.config.relay import RelayConfig
from maildropd.daemon import local_ways
from maildropd.daemon.engine import Surroundings
from maildropd.daemon.local_ways import Transports
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
from maildropd.relay.login import Login
from maildropd.relay.smtp import SmtpTransport
from maildropd.route.base import NextHop, Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import QueueStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the lanes of a configuration would use."""

    connections: int  # to relays
    local: int  # file descriptors of all other ways


def needs(config: Config) -> Needs:
    """Count over all lanes that there will be."""
    relays = sum(relay.max_connections for relay in _used(config).values())
    return Needs(
        connections=max(relays, 1),
        local=local_ways.descriptors(RulesRouter(config).hops()),
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
        if hop.way is Way.RELAY:
            return self._of_relay(self._relays[hop.relay])
        clock, name = self._around.clock, self._hostname
        transports = local_ways.transports(hop, self._config, name, clock)
        return local_ways.LIMITS[hop.way], transports

    def _of_relay(self, relay: RelayConfig) -> tuple[LaneLimits, Transports]:
        login, clock = _login(relay, self._config.source), self._around.clock
        limits = LaneLimits(
            max_connections=relay.max_connections, idle_timeout=relay.idle_timeout
        )
        return limits, lambda: SmtpTransport(relay, login, self._hostname, clock)


def _used(config: Config) -> dict[str, RelayConfig]:
    """Return the relays that some mail goes to, by name; the default first."""
    if config.queue.capture_all:
        return {}
    said = {relay.name: relay for relay in config.relays}
    names = [each.relay for each in config.submitters if each.relay]
    names += [share.relay for route in config.routes for share in route.relay]
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
