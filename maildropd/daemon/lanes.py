# SPDX-License-Identifier: Apache-2.0
"""The ways out, built: a lane for each next hop, with what it may use.

What ends on this host is in daemon/local_ways.py.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from maildropd.config.model import Config
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import ANY_SERVER
from maildropd.daemon import local_ways
from maildropd.daemon.engine import Surroundings
from maildropd.daemon.local_ways import Transports
from maildropd.daemon.logins import login_at
from maildropd.daemon.signers import signer_of
from maildropd.host.dns import Resolver
from maildropd.host.process import host_name
from maildropd.mail.envelope import Priority, Submission
from maildropd.mail.route_events import DomainUnreachable, RouteFailed
from maildropd.queue.attempt import Attempt
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import FOREIGN, Breaker
from maildropd.queue.crew import LaneLimits
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Routing
from maildropd.queue.reporter import Reporter
from maildropd.queue.route_watch import RouteWatch
from maildropd.queue.verdict import Judge
from maildropd.relay.base import Transport
from maildropd.relay.exchange import Exchanges
from maildropd.relay.identity.expiry import OwnCertificate
from maildropd.relay.identity.login import Login
from maildropd.relay.mx import MxTransport
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from maildropd.route.base import NextHop, Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import QueueStore

_LEAST = 100  # leased messages that wait for a connection
_SOON = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the lanes of a configuration would use."""

    connections: int  # to relays, and to domains' own servers
    local: int  # file descriptors of all other ways


def needs(config: Config) -> Needs:
    """Count over all lanes that there will be."""
    return Needs(
        connections=max(_wanted(config), 1),
        local=local_ways.descriptors(RulesRouter(config).hops()),
    )


def within(config: Config, connections: int) -> Config:
    """Let all relays together use no more connections; each has one at least."""
    used, wanted = _used(config), _wanted(config)
    if wanted <= connections:
        return config

    def part(number: int) -> int:
        return max(1, number * connections // wanted)

    few = {
        name: replace(relay, max_connections=part(relay.max_connections))
        for name, relay in used.items()
    }
    domains = part(config.queue.mx_domains)
    return replace(
        config,
        queue=replace(config.queue, mx_domains=domains),
        relay=few[config.relay.name],
        relays=tuple(few.get(relay.name, relay) for relay in config.relays),
    )


def routing(
    config: Config, store: QueueStore, reporter: Reporter, around: Surroundings
) -> Routing:
    """Build all lanes; raise ``ConfigErrors`` if a secret cannot be had."""
    backoff = Backoff(
        first=config.queue.first_retry, slowest=config.queue.slowest_retry
    )
    judge = Judge(backoff, random.random)
    attempt = Attempt(store, judge, reporter, around.journal, around.clock)
    router = RulesRouter(config)
    builder = _Builder(config, around, attempt)
    lanes = {hop: builder.lane(hop) for hop in router.hops()}
    most = config.queue.mx_domains if _templates(config) else 0
    return Routing(
        router=router,
        lanes=lanes,
        attempt=attempt,
        branch=builder.lane if most else None,
        most=most,
    )


def priority(config: Config) -> Callable[[Submission], Priority] | None:
    """Return what knows the priority of new mail, if there are any."""
    said = {each.priority for each in config.submitters}
    said |= {each.priority for each in config.routes}
    if said <= {Priority.NORMAL}:
        return None
    return RulesRouter(config).priority


class _Builder:
    """Makes the lanes of one configuration."""

    def __init__(self, config: Config, around: Surroundings, attempt: Attempt) -> None:
        self._config = config
        self._around = around
        self._attempt = attempt
        self._relays = _used(config)
        self._hostname = config.daemon.hostname or host_name()
        self._signer = signer_of(config, around.clock)
        self._templates = {
            name: (relay, login_at(relay, config, around))
            for name, relay in _templates(config).items()
        }
        said = [relay.hostname for relay, _ in self._templates.values()]
        own = (self._hostname, host_name(), *filter(None, said))
        self._exchanges = Exchanges(Resolver(), own, random.shuffle, around.clock)

    def lane(self, hop: NextHop) -> Lane:
        clock = self._around.clock
        foreign = hop.way is Way.MX
        breaker = Breaker(clock, FOREIGN) if foreign else Breaker(clock)
        trouble = DomainUnreachable if foreign else RouteFailed
        watch = RouteWatch(hop.destination, breaker, self._around.journal, trouble)
        limits, transports = self._of(hop)
        return Lane(limits, breaker, watch, self._attempt, transports)

    def _of(self, hop: NextHop) -> tuple[LaneLimits, Transports]:
        if hop.way is Way.RELAY:
            return self._of_relay(self._relays[hop.relay])
        if hop.way is Way.MX:
            return self._of_domain(hop.destination, *self._templates[hop.relay])
        clock, name = self._around.clock, self._hostname
        transports = local_ways.transports(hop, self._config, name, clock)
        return local_ways.LIMITS[hop.way], transports

    def _of_relay(self, relay: RelayConfig) -> tuple[LaneLimits, Transports]:
        login, clock = login_at(relay, self._config, self._around), self._around.clock
        who = self._identity(relay, login)
        own = OwnCertificate(relay, clock, self._around.journal)

        def transport() -> Transport:
            own.look()
            return SmtpTransport(who, clock)

        return _limits(relay), transport

    def _of_domain(
        self, domain: str, template: RelayConfig, login: Login | None
    ) -> tuple[LaneLimits, Transports]:
        clock, exchanges = self._around.clock, self._exchanges
        who = self._identity(template, login)

        def connect(host: str) -> Transport:
            relay = replace(template, host=host, socket=None)
            return SmtpTransport(replace(who, config=relay), clock)

        return _limits(template), lambda: MxTransport(domain, exchanges, connect, clock)

    def _identity(self, relay: RelayConfig, login: Login | None) -> Identity:
        return Identity(
            config=relay,
            hostname=relay.hostname or self._hostname,
            login=login,
            signer=self._signer,
        )


def _limits(relay: RelayConfig) -> LaneLimits:
    # Who is to be asked slowly is not asked by several at once for one message.
    together = 0 if relay.wait_interval else relay.max_recipients
    return LaneLimits(
        max_connections=relay.max_connections,
        idle_timeout=relay.idle_timeout,
        depth=_depth(relay),
        rate=relay.rate,
        max_recipients=together,
    )


def _depth(relay: RelayConfig) -> int:
    """Return for how many connections' sake mail is leased in advance.

    Where it goes at a rate, no more than goes in a few minutes: a lease that
    waits for an hour ends.
    """
    depth = max(_LEAST, 4 * relay.max_connections)
    if relay.rate is None:
        return depth
    return min(depth, max(int(relay.rate.amount * (_SOON / relay.rate.period)), 1))


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


def _templates(config: Config) -> dict[str, RelayConfig]:
    """Return how domains' own servers are spoken to, by the name of the section."""
    if config.queue.capture_all:
        return {}
    said = {"": ANY_SERVER, **{relay.name: relay for relay in config.relays}}
    return {
        route.template: said[route.template] for route in config.routes if route.by_mx
    }


def _wanted(config: Config) -> int:
    """Return how many connections there may be, if all want all of theirs."""
    relays = sum(relay.max_connections for relay in _used(config).values())
    each = [relay.max_connections for relay in _templates(config).values()]
    return relays + config.queue.mx_domains * max(each, default=0)
