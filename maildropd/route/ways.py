# SPDX-License-Identifier: Apache-2.0
"""Next hops, as sections of the configuration name them."""

from collections.abc import Mapping
from pathlib import Path

from maildropd.config.model import SubmitterConfig
from maildropd.config.relay import RelayConfig
from maildropd.route.base import NextHop, Way

COMMAND = NextHop(way=Way.COMMAND, relay="", destination="command")
FILE = NextHop(way=Way.FILE, relay="", destination="file")
NOWHERE = NextHop(way=Way.NOWHERE, relay="", destination="none")


def of_relay(relay: RelayConfig) -> NextHop:
    """Return the way to a relay."""
    return NextHop(relay=relay.name, destination=relay.destination)


def of_capture(path: Path | None) -> NextHop | None:
    """Return the way into a Maildir, if there is one."""
    if path is None:
        return None
    return NextHop(way=Way.CAPTURE, relay="", destination=f"maildir:{path}")


def of_section(
    section: SubmitterConfig, relays: Mapping[str, NextHop]
) -> NextHop | None:
    """Return the way of a section, if it says one."""
    if section.capture is not None:
        return of_capture(section.capture)
    return relays[section.relay] if section.relay else None


def of_domain(template: str, domain: str) -> NextHop:
    """Return the way to the servers of a domain."""
    return NextHop(way=Way.MX, relay=template, destination=domain)


def of_route(way: Way, name: str) -> NextHop:
    """Return the way of a route that ends mail here."""
    return NextHop(way=way, relay="", destination=f"{way}:{name}", route=name)
