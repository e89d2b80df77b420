# SPDX-License-Identifier: Apache-2.0
"""Whose socket is at the other end of a TCP connection on this host.

The kernel's table of sockets says it, as it is now: best effort, and told as
such.  A port may have changed hands; somebody in another network namespace,
or on another host, is not in the table.
"""

import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

TABLES = Path("/proc/self/net")
_UID, _INODE = 7, 9  # the columns
_NOBODYS = "0"


def owner(
    client: tuple[str, int], server: tuple[str, int], tables: Path = TABLES
) -> int | None:
    """Return the uid of the socket that is connected from client to server."""
    with suppress(OSError, ValueError):
        key = f"{_shown(*client)} {_shown(*server)}"
        name = "tcp6" if ":" in client[0] else "tcp"
        table = (tables / name).read_text(encoding="ascii")
        at = table.find(f" {key} ")
        if at >= 0:
            line = table[table.rfind("\n", 0, at) + 1 : table.find("\n", at)]
            columns = line.split()
            # A socket that its owner has closed belongs to root in this table.
            return None if columns[_INODE] == _NOBODYS else int(columns[_UID])
    return None


def _shown(address: str, port: int) -> str:
    """Return an end as the table shows it: words in the host's order of octets."""
    packed = ip_address(address).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    if not 0 < port < 65_536:
        raise ValueError(f"{port} is no port")
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def is_loopback(address: str) -> bool:
    """Tell whether an address is one that only this host can have."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def ends(connection: socket.socket) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return both ends of a connection: the peer's, and ours."""
    peer, own = connection.getpeername(), connection.getsockname()
    return (peer[0], peer[1]), (own[0], own[1])
