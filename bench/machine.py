# SPDX-License-Identifier: Apache-2.0
"""On what was measured, where, and when."""

import fcntl
import os
import platform
import re
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def bring_up_loopback() -> None:
    """Give a network of our own its one interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH14x", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, up)


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder on a real disk; /tmp may be memory."""
    with tempfile.TemporaryDirectory(prefix="maildropd-bench-", dir="/var/tmp") as made:
        yield Path(made)


def described(where: Path) -> str:
    """Return date, processors, kernel, and the file system of a folder."""
    found = re.search(
        r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
    )
    model = found[1] if found else platform.machine()
    kind = subprocess.run(
        ["/usr/bin/df", "--output=fstype,source", where],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} x {model},"
        f" Linux {platform.release()}, Python {platform.python_version()},"
        f" {' on '.join(kind.split())}, load {os.getloadavg()[0]:.1f} at the end"
    )
