# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a UNIX socket: the kernel's word."""

import os
import socket
import struct
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The process that connected, as it was at that moment."""

    pid: int
    uid: int
    gid: int

    @classmethod
    def of(cls, connection: socket.socket) -> Self:
        """Ask the kernel (SO_PEERCRED, unix(7))."""
        size = struct.calcsize("3i")
        octets = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, gid = struct.unpack("3i", octets)
        return cls(pid=pid, uid=uid, gid=gid)

    @property
    def may_operate(self) -> bool:
        """Root may, and so may whoever we are."""
        return self.uid in (0, os.geteuid())

    def __str__(self) -> str:
        return f"uid={self.uid}"
