# SPDX-License-Identifier: Apache-2.0
"""How things stand, asked at the control socket."""

import json
import os
import socket
from typing import Any

from maildropd.client.errors import Unavailable
from maildropd.client.values import Door, QueueStatus

_CLOSED = "only root and the daemon's own user may ask"
_FIELDS = ("version", "counts", "oldest", "in_flight", "relays", "spools")


def status(door: Door) -> QueueStatus:
    """Return the daemon's answer; raise ``Unavailable``, saying why."""
    path = control(door)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(door.timeout)
            connection.connect(path)
            connection.sendall(b'{"command": "status"}\n')
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except PermissionError as error:
        raise Unavailable(f"{path}: permission denied ({_CLOSED})") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise Unavailable(f"{path}: {why} (is maildropd running?)") from error
    return _understood(path, line)


def control(door: Door) -> str:
    """Return where the daemon listens for this door.

    What systemd holds open for everybody is in /run/maildrop, or in
    /run/maildrop-NAME of an instance; what is the daemon's own, in maildropd.
    """
    folder, name = os.path.split(door.run.rstrip("/"))
    if name == "maildrop" or name.startswith("maildrop-"):
        name = name.replace("maildrop", "maildropd", 1)
    return f"{folder}/{name}/control"


def _understood(path: str, line: bytes) -> QueueStatus:
    try:
        found: dict[str, Any] = json.loads(line)
        if not found["ok"]:
            raise Unavailable(f"{path}: {found['error']}")
        return QueueStatus(**{name: found[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{path}: maildropd has hung up") from error
