# SPDX-License-Identifier: Apache-2.0
"""From a name to a connected socket, within the time allowed for it.

The resolver cannot be interrupted: it keeps its own limits (resolv.conf(5),
timeout and attempts), and the time it takes is not counted in ours.
"""

import socket
from datetime import timedelta
from typing import Any

from maildropd.config.relay import RelayConfig
from maildropd.mail.errors import RouteError
from maildropd.mail.reply import Reply
from maildropd.relay.wire import Wire

Address = tuple[Any, ...] | str
"""As the socket module gives it; its form depends on the family."""

RESOLVER_LIMIT = timedelta(minutes=5)  # with three servers and a search list
_ADDRESSES = 8


def connect(wire: Wire, config: RelayConfig) -> None:
    """Connect to the first address that answers, or raise ``RouteError``."""
    addresses = _resolve(config)
    until = wire.clock.monotonic() + config.connect_timeout
    trouble: OSError = TimeoutError("timed out")
    tried = config.destination
    for number, (family, address) in enumerate(addresses):
        # An address that drops our packets must leave time for the next one.
        left = (until - wire.clock.monotonic()) / (len(addresses) - number)
        if left <= timedelta(0):
            break
        if not config.socket and address[0] != config.host:
            tried = f"{config.host}[{address[0]}]:{address[1]}"
        try:
            _dial(wire, family, address, left)
        except OSError as error:  # ours too, when it was broken off
            wire.close()
            trouble = error
        else:
            return
    why = f"connect to {tried}: {trouble.strerror or trouble}"
    raise RouteError(why, Reply(451, "4.4.1", why)) from trouble


def _resolve(config: RelayConfig) -> list[tuple[int, Address]]:
    if config.socket:
        return [(socket.AF_UNIX, str(config.socket))]
    host = config.host
    try:
        found = socket.getaddrinfo(host, config.real_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: not a host name at all
        reason = error.strerror if isinstance(error, OSError) else str(error)
        why = f"{host}: name not resolved ({reason})"
        raise RouteError(why, Reply(451, "4.4.3", why)) from error
    return [(family, address) for family, *_, address in found[:_ADDRESSES]]


def _dial(wire: Wire, family: int, address: Address, limit: timedelta) -> None:
    made = socket.socket(family, socket.SOCK_STREAM)
    wire.adopt(made)  # now, so that the attempt to connect can be broken off too
    usual = made.gettimeout()
    made.settimeout(limit.total_seconds())
    made.connect(address)
    made.settimeout(usual)
