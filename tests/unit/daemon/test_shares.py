# SPDX-License-Identifier: Apache-2.0
"""How few file descriptors are divided."""

import pytest

from maildropd.daemon.shares import Shares, shares


@pytest.mark.parametrize(
    ("limit", "wanted", "found"),
    [
        (1024, (1, 4), (1, 4)),
        (1024, (100, 100), (100, 100)),
        (64, (1, 4), (1, 4)),
        (64, (1, 100), (1, 17)),
        (64, (30, 100), (7, 2)),
        (64, (30, 1), (7, 1)),
        (32, (1, 4), (1, 1)),
        (20, (3, 3), (1, 1)),
    ],
)
def test_what_there_is_is_divided_so_that_mail_flows(
    limit: int, wanted: tuple[int, int], found: tuple[int, int]
) -> None:
    given = shares(limit, Shares(spools=wanted[0], connections=wanted[1]))

    assert (given.spools, given.connections) == found


def test_what_stays_on_this_host_comes_before_connections() -> None:
    """A command that cannot be started for want of descriptors holds up its mail."""
    given = shares(64, Shares(spools=1, connections=100, local=20))

    assert given == Shares(spools=1, connections=7, local=20)
