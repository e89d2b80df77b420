# SPDX-License-Identifier: Apache-2.0
"""The way to the server: a network of its own, next door or far away.

Next door is a veth pair.  Far away is delay.c between two TUN interfaces: not
every kernel has netem, and a proxy would hide the round trips of TCP itself.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench.waiting import until

SERVER = "10.99.0.2"
_OURS = "10.99.0.1"
_SOURCE = Path(__file__).with_name("delay.c")
_SYSCTLS = {
    # Or one run begins with the window that another has found.
    "net/ipv4/tcp_no_metrics_save": "1",
    # Some make a connection for each mail, as fast as they can.
    "net/ipv4/ip_local_port_range": "1024 65535",
}
_WAYS = {False: ("10.99.1.1", "10.99.1.2"), True: ("10.99.2.1", "10.99.2.2")}


class Network:
    """Ours, the server's, and the two ways between them."""

    def __init__(self, folder: Path, milliseconds: float) -> None:
        """Build everything; the way next door is the one in use."""
        self._stack = ExitStack()
        holder = self._run(["/usr/bin/unshare", "--net", "/usr/bin/sleep", "infinity"])
        self._space = Path(f"/proc/{holder.pid}/ns/net")
        here = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(self._space) != here, "the server's network", limit=5)
        for name, value in _SYSCTLS.items():
            Path("/proc/sys", name).write_text(value)
        self._join(holder.pid, folder, milliseconds)
        self.use(far=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs in the server's network."""
        return ["/usr/bin/nsenter", f"--net={self._space}", "--", *command]

    def use(self, *, far: bool) -> None:
        """Let all traffic go the one way or the other."""
        near_end, far_end = _WAYS[far]
        self._ip("route", "replace", SERVER, "via", far_end, "src", _OURS)
        self._ip("route", "replace", _OURS, "via", near_end, "src", SERVER, there=True)

    def _join(self, pid: int, folder: Path, milliseconds: float) -> None:
        program = folder / "delay"
        subprocess.run(["/usr/bin/cc", "-O2", "-o", program, _SOURCE], check=True)
        line = self._run(
            [str(program), "far0", "far1", f"{milliseconds / 2}"],
            stdout=subprocess.PIPE,
        )
        assert line.stdout is not None
        assert line.stdout.readline() == b"ready\n"
        space = str(pid)
        peer = ("peer", "name", "near1", "netns", space)
        self._ip("link", "add", "near0", "type", "veth", *peer)
        self._ip("link", "set", "far1", "netns", space)
        for far, (near_end, far_end) in _WAYS.items():
            name = "far" if far else "near"
            for number, address, there in ((0, near_end, False), (1, far_end, True)):
                device = f"{name}{number}"
                self._ip("addr", "add", f"{address}/30", "dev", device, there=there)
                # Room for what comes at once: the line itself loses nothing.
                self._ip("link", "set", device, "txqueuelen", "20000", there=there)
                self._ip("link", "set", device, "up", there=there)
        self._ip("link", "set", "lo", "up", there=True)
        self._ip("addr", "add", f"{_OURS}/32", "dev", "lo")
        self._ip("addr", "add", f"{SERVER}/32", "dev", "lo", there=True)

    def _ip(self, *words: str, there: bool = False) -> None:
        command = ["/usr/sbin/ip", *words]
        subprocess.run(self.inside(command) if there else command, check=True)

    def _run(
        self, command: Sequence[str], stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=stdout)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process
