# SPDX-License-Identifier: Apache-2.0
"""A name server that does as it is told: a zone of a few lines, or trouble.

Octets are made by hand, so that a mistake of the library is not repeated here.
"""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

KINDS: Mapping[str, int] = {"A": 1, "MX": 15, "AAAA": 28}
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5
Zone = dict[str, list[str] | int | bytes | None]
"""By "name KIND": records ("10 mx.example.net."), a code, octets, or None: silence.

A name that is not there at all does not exist.
"""


class NameServer:
    """Answers over UDP while it is entered."""

    def __init__(self, zone: Zone, listener: socket.socket | None = None) -> None:
        """Serve a zone, which may be changed meanwhile."""
        self.zone = zone
        self.ttl = 300
        self.asked: Counter[str] = Counter()
        self._socket = listener or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if listener is None:
            self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer no more."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        with suppress(OSError):  # to itself: one that is not connected wakes by it
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                question, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            answer = self._answer(question)
            if answer is not None:
                with suppress(OSError):
                    self._socket.sendto(answer, client)

    def _answer(self, question: bytes) -> bytes | None:
        end = question.index(b"\0", 12) + 5
        [number] = struct.unpack("!H", question[end - 4 : end - 2])
        kind = next((kind for kind, n in KINDS.items() if n == number), "")
        name = _spelled(question[12 : end - 5])
        self.asked[f"{name} {kind}"] += 1
        known = any(key.split()[0] == name for key in self.zone)
        found = self.zone.get(f"{name} {kind}", [] if known else NXDOMAIN)
        if found is None or isinstance(found, bytes):
            return found
        code, records = (found, []) if isinstance(found, int) else (0, found)
        head = question[:2] + struct.pack(
            "!HHHHH", 0x8180 | code, 1, len(records), 0, 0
        )
        answers = [
            struct.pack("!HHHIH", 0xC00C, number, 1, self.ttl, len(data)) + data
            for data in (_data(kind, record) for record in records)
        ]
        return head + question[12:end] + b"".join(answers)


def _data(kind: str, record: str) -> bytes:
    if kind == "MX":
        preference, host = record.split()
        return struct.pack("!H", int(preference)) + _wire(host)
    family = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
    return socket.inet_pton(family, record)


def _wire(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _spelled(wire: bytes) -> str:
    labels, at = [], 0
    while at < len(wire):
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("latin-1"))
        at += 1 + wire[at]
    return ".".join(labels).lower()
