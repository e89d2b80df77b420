# SPDX-License-Identifier: Apache-2.0
"""The shortest table of routes: everything goes to the one smarthost."""

from maildropd.config.model import RelayConfig
from maildropd.route.base import NextHop


class SmarthostRouter:
    """Sends all mail to one relay."""

    def __init__(self, relay: RelayConfig) -> None:
        """Take the relay that the configuration names."""
        self.hop = NextHop(relay=relay.name, destination=relay.destination)

    def next_hop(self, forward_path: str) -> NextHop:  # noqa: ARG002 (the same for all)
        """Return the smarthost."""
        return self.hop
