# SPDX-License-Identifier: Apache-2.0
"""Who gets how many file descriptors, where there are few.

Connections that nobody needs would else keep the store from opening a file,
the drop from being read, and an operator from being answered.
"""

from dataclasses import dataclass, replace

_HOUSE = 24  # the store, the journal, systemd, operators
_SPOOL = 5  # the directory, two to watch it, a look through it, and a mail
_CONNECTION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What there is room for."""

    spools: int
    connections: int
    local: int = 0  # descriptors that mail needs which stays on this host


def shares(limit: int, wanted: Shares) -> Shares:
    """Divide a limit: two connections first, then spools, then connections.

    Something must run, also where it is not known that it will.
    """
    room = limit - _HOUSE - wanted.local
    few = min(wanted.connections, 2)
    spools = max(1, min(wanted.spools, (room - few * _CONNECTION) // _SPOOL))
    left = (room - spools * _SPOOL) // _CONNECTION
    connections = max(1, min(wanted.connections, left))
    return replace(wanted, spools=spools, connections=connections)
