# SPDX-License-Identifier: Apache-2.0
"""A lane for each way that the configuration knows, within what there is."""

from pathlib import Path
from typing import Any

import pytest

from maildropd.config.model import (
    Config,
    DaemonConfig,
    NamesConfig,
    QueueConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import Patterns, RouteConfig, Share, Shares
from maildropd.daemon import lanes

HERE = Path("/srv")


def config(
    *relays: int,
    sections: tuple[SubmitterConfig, ...] = (),
    routes: tuple[RouteConfig, ...] = (),
    runs: bool = False,
    queue: QueueConfig | None = None,
) -> Config:
    """Return one with relays of so many connections, named by their order."""
    several = tuple(
        RelayConfig(name=f"r{n}", host=f"r{n}.example.net", max_connections=each)
        for n, each in enumerate(relays)
    )
    return Config(
        source=HERE,
        daemon=DaemonConfig(state_directory=HERE, runtime_directory=HERE),
        submission=SubmissionConfig(socket=HERE, sendmail_socket=HERE),
        names=NamesConfig(aliases_may_run=runs),
        submitters=sections,
        routes=routes,
        queue=queue or QueueConfig(),
        relay=several[0],
        relays=several,
    )


def using(*names: str) -> tuple[SubmitterConfig, ...]:
    return tuple(SubmitterConfig(name=f"of-{name}", relay=name) for name in names)


def test_a_smarthost_alone_needs_its_connections_and_no_more() -> None:
    assert lanes.needs(config(4)) == lanes.Needs(connections=4, local=0)


def test_a_relay_that_no_mail_goes_to_needs_nothing() -> None:
    assert lanes.needs(config(4, 10, 3, sections=using("r2"))).connections == 7


def test_each_way_on_this_host_needs_some() -> None:
    box = SubmitterConfig(name="staging", capture=HERE / "box")

    captures = lanes.needs(config(4, sections=(box,)))
    both = lanes.needs(config(4, sections=(box,), runs=True))

    assert captures.connections == both.connections == 4
    assert 0 < captures.local < both.local


@pytest.mark.parametrize(
    ("connections", "found"),
    [(100, [20, 80]), (50, [10, 40]), (4, [1, 3]), (1, [1, 1])],
)
def test_few_connections_are_divided_by_what_each_relay_was_given(
    connections: int, found: list[int]
) -> None:
    wanted = config(20, 80, sections=using("r1"))

    within = lanes.within(wanted, connections)

    assert [relay.max_connections for relay in within.relays] == found
    assert within.relay == within.relays[0]


def route(**words: Any) -> RouteConfig:
    return RouteConfig(name="x", recipient=Patterns(("*",)), **words)


def test_a_relay_that_only_a_route_names_is_used() -> None:
    share = Share(relay="r2", preference=0)
    wanted = config(4, 10, 3, routes=(route(relay=Shares((share,))),))

    assert lanes.needs(wanted).connections == 7


def test_domains_servers_need_connections_for_as_many_as_are_served_at_once() -> None:
    queue = QueueConfig(mx_domains=50)
    plain = config(4, 3, routes=(route(mx="yes"),), queue=queue)
    own = config(4, 3, routes=(route(mx="r1"),), queue=queue)

    assert lanes.needs(plain).connections == 4 + 50 * 2
    assert lanes.needs(own).connections == 4 + 50 * 3


def test_few_connections_are_few_domains_at_once() -> None:
    queue = QueueConfig(mx_domains=100)
    wanted = config(100, routes=(route(mx="yes"),), queue=queue)

    within = lanes.within(wanted, 30)

    assert within.relay.max_connections == 10
    assert within.queue.mx_domains == 10
    assert lanes.needs(within).connections == 30


def test_what_is_all_captured_needs_no_connections() -> None:
    """And warns of none that it lacks."""
    queue = QueueConfig(capture_all=HERE / "box")
    wanted = config(4, 10, routes=(route(mx="yes"),), queue=queue)

    assert lanes.needs(wanted) == lanes.Needs(connections=1, local=3)
    assert lanes.within(wanted, 1) == wanted
