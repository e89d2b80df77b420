# SPDX-License-Identifier: Apache-2.0
"""A network of its own, with a name server that does as it is told.

The test's sockets are made in a new network namespace by a thread that enters
it; the daemon is started in it by nsenter(1), with a resolv.conf of its own.
Needs root.
"""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_UP = 0x1 | 0x40  # IFF_UP, IFF_RUNNING
_ENTER = (
    'test -e /etc/resolv.conf && mount --bind "$0/resolv.conf" /etc/resolv.conf;'
    'test -e /etc/nsswitch.conf && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf;'
    'exec "$@"'
)
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5
ADDRESS = 1  # the type A


class Namespace:
    """Loopback and nothing else; port 53 and one for a smarthost are ours."""

    def __init__(self, folder: Path, options: str) -> None:
        """Write what the resolver is to know; ``with`` answers its questions."""
        self.asked = threading.Semaphore(0)
        self.answer: int | bytes | None = None  # a code, garbage, or the address
        self.silent = True
        self._folder = folder
        (folder / "resolv.conf").write_text(
            f"nameserver 127.0.0.1\noptions {options}\n"
        )
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        maker = threading.Thread(target=self._make)
        maker.start()
        maker.join()

    def _make(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self._handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        request = struct.pack("16sh", b"lo", _UP)
        fcntl.ioctl(self._names, _SIOCSIFFLAGS, request)
        self._names.bind(("127.0.0.1", 53))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)

    def within(self) -> list[str]:
        """Return the words before a command that is to run in here."""
        handle = f"--net=/proc/{os.getpid()}/fd/{self._handle}"
        shell = ["unshare", "--mount", "sh", "-c", _ENTER, str(self._folder)]
        return ["nsenter", handle, *shell]

    def __enter__(self) -> Self:
        """Begin to answer, or not."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the network."""
        with suppress(OSError):
            self._names.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._names.close()
        self.close()

    def close(self) -> None:
        """Close what else is open in it."""
        self.listener.close()
        os.close(self._handle)

    def _serve(self) -> None:
        while True:
            try:
                question, client = self._names.recvfrom(512)
            except OSError:
                return
            if len(question) < 12:  # woken to end
                return
            self.asked.release()
            if not self.silent:
                with suppress(OSError):
                    self._names.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        if isinstance(self.answer, bytes):
            return self.answer
        end = question.index(b"\0", 12) + 5
        [kind] = struct.unpack("!H", question[end - 4 : end - 2])
        known = self.answer is None and kind == ADDRESS
        flags = 0x8180 | (self.answer or 0)
        head = question[:2] + struct.pack("!HHHHH", flags, 1, int(known), 0, 0)
        record = struct.pack("!HHHIH4B", 0xC00C, ADDRESS, 1, 0, 4, 127, 0, 0, 1)
        return head + question[12:end] + (record if known else b"")
