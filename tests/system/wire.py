# SPDX-License-Identifier: Apache-2.0
"""Two networks of the kernel's, joined by a wire that can be cut.

The daemon's machine is at one end, whatever plays the smarthost at the other.
Nothing else can be reached from either.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000
# systemd does this when it boots a host, and may not in a container: the room
# in the journal's socket, which the kernel would have be 10 lines.
_AS_AT_BOOT = "echo 512 > /proc/sys/net/unix/max_dgram_qlen"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end: a network namespace and its address."""

    namespace: str
    address: str

    def listen(self, port: int) -> socket.socket:
        """Open a listening socket here; the caller stays where it is.

        A thread of its own goes there, because a namespace is a thread's.
        """
        made: list[socket.socket] = []
        thread = threading.Thread(target=self._open, args=(port, made))
        thread.start()
        thread.join()
        return made[0]

    def _open(self, port: int, made: list[socket.socket]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.namespace}", "rb") as file:
            if libc.setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.create_server((self.address, port), backlog=128))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Both ends and what lies between."""

    near: End
    far: End

    def cut(self) -> None:
        """Lose every packet from here on; nobody is told."""
        _ip("-n", self.far.namespace, "link", "set", "wire", "down")

    def mend(self) -> None:
        _ip("-n", self.far.namespace, "link", "set", "wire", "up")


@contextmanager
def wire() -> Iterator[Wire]:
    """Lay a wire; take it away after use."""
    name = f"maildropd-{os.getpid()}"
    both = Wire(
        near=End(namespace=f"{name}-near", address="10.9.0.1"),
        far=End(namespace=f"{name}-far", address="10.9.0.2"),
    )
    ends = (both.near, both.far)
    for left in Path("/run/netns").glob("maildropd-*-*"):  # of a run that was killed
        if not Path("/proc", left.name.split("-")[1]).exists():
            _ip("netns", "del", left.name)
    try:
        for end in ends:
            _ip("netns", "add", end.namespace)
        near, far = (end.namespace for end in ends)
        _ip(
            *("-n", near, "link", "add", "wire", "type", "veth"),
            *("peer", "name", "wire", "netns", far),
        )
        for end in ends:
            _ip("netns", "exec", end.namespace, "sh", "-c", _AS_AT_BOOT)
            _ip("-n", end.namespace, "addr", "add", f"{end.address}/24", "dev", "wire")
            for device in ("lo", "wire"):
                _ip("-n", end.namespace, "link", "set", device, "up")
        yield both
    finally:
        for end in ends:
            subprocess.run(["ip", "netns", "del", end.namespace], check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
