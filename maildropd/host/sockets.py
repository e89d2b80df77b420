# SPDX-License-Identifier: Apache-2.0
"""UNIX sockets at paths of any length.

The kernel takes at most 107 octets; a name below an open directory's entry in
/proc is always short.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def listen(path: Path, mode: int = 0o600, backlog: int = 16) -> socket.socket:
    """Listen at a path; whatever was left there by a former run is replaced.

    The socket gets its name only when it has its mode and can be connected to.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path.with_name(f".{path.name}.{os.getpid()}")) as name:
            listener.bind(name)
            os.chmod(name, mode)
            listener.listen(backlog)
            os.rename(name, path)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, str(path)) from error
    listener.setblocking(False)
    return listener


def connect(path: Path, seconds: float) -> socket.socket:
    """Connect to a path; the socket has this time limit."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        with _short(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
