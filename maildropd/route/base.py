# SPDX-License-Identifier: Apache-2.0
"""The question a router answers, anew at each attempt."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where a recipient goes: recipients with equal next hops travel together."""

    relay: str  # the name of a [relay NAME] section
    destination: str  # "mx.example.net:587", for people


class Router(Protocol):
    """Knows the way; asked at each attempt, so that a changed config moves mail."""

    def next_hop(self, forward_path: str) -> NextHop:
        """Return where this recipient goes."""
        ...
