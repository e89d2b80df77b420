# SPDX-License-Identifier: Apache-2.0
"""Sockets that systemd holds for us (sd_listen_fds(3)), by their names.

It goes on to hold them: while we are away, who connects waits.
"""

import os
import socket
from collections.abc import Mapping


def listening() -> Mapping[str, tuple[socket.socket, ...]]:
    """Take over what was handed to this process; callable once.

    The environment that speaks of it is cleaned, so that no child takes it for
    its own.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    from systemd import daemon  # noqa: PLC0415 (16 ms, where it is of use)

    found: dict[str, tuple[socket.socket, ...]] = {}
    for descriptor, name in daemon.listen_fds_with_names().items():
        one = socket.socket(fileno=descriptor)
        one.set_inheritable(False)
        one.setblocking(False)
        found[name] = (*found.get(name, ()), one)
    return found
