# SPDX-License-Identifier: Apache-2.0
"""Our own process: on which host, and as whom."""

import os
import socket
from contextlib import suppress
from pathlib import Path

HOSTS = Path("/etc/hosts")
BOOT = Path("/proc/sys/kernel/random/boot_id")


def host_name(hosts: Path = HOSTS) -> str:
    """Return this host's fully qualified name, without asking the network.

    The kernel's name if it has a domain, else what /etc/hosts calls it: a
    start must not wait for a name server.  With neither, ``.localdomain``
    makes it a name that servers accept in EHLO.
    """
    name = socket.gethostname()
    if "." in name:
        return name
    return _known_as(name, hosts) or f"{name or 'localhost'}.localdomain"


def boot_id(kernels: Path = BOOT) -> str:
    """Return the name of this boot of the host; empty if it cannot be known.

    The service's /proc holds processes and nothing else, so systemd says it.
    """
    said = os.environ.get("MAILDROPD_BOOT_ID", "")
    if not said:
        with suppress(OSError):
            said = kernels.read_text(encoding="utf-8", errors="replace")
    return said.strip().replace("-", "")


def become_owner_of(path: Path) -> None:
    """Take on the user and group a file belongs to; only root can.

    Files that root would make are files the daemon could not use.
    """
    found = os.stat(path)
    if os.geteuid() != 0 or found.st_uid == 0:
        return
    os.setgroups([])
    os.setresgid(found.st_gid, found.st_gid, found.st_gid)
    os.setresuid(found.st_uid, found.st_uid, found.st_uid)


def _known_as(name: str, hosts: Path) -> str:
    """Return the first name with a domain in a line that has ours."""
    try:
        lines = hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        names = line.partition("#")[0].split()[1:]
        if name in names:
            full = [each for each in names if each.startswith(f"{name}.")]
            if full:
                return full[0]
    return ""
