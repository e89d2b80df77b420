# SPDX-License-Identifier: Apache-2.0
"""A lane for each way that the configuration knows, within what there is."""

from pathlib import Path

import pytest

from maildropd.config.model import (
    Config,
    DaemonConfig,
    NamesConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.config.relay import RelayConfig
from maildropd.daemon import lanes

HERE = Path("/srv")


def config(
    *relays: int, sections: tuple[SubmitterConfig, ...] = (), runs: bool = False
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
