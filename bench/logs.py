# SPDX-License-Identifier: Apache-2.0
"""A journal that throws everything away, so that each side pays for its own log.

The datagrams are read and counted by a thread of ours; what a real journald
or syslogd would then do is not measured.
"""

import socket
import threading
from pathlib import Path
from typing import Self

_ROOM = 8 * 1024 * 1024


class Bin:
    """A socket where the journal's, or the syslog's, would be."""

    def __init__(self, path: Path) -> None:
        self.lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._path = path
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # It unblocks the thread; a close would not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _read(self) -> None:
        buffer = bytearray(64 * 1024)
        while self._socket.recv_into(buffer):
            self.lines += 1
