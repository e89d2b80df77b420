# SPDX-License-Identifier: Apache-2.0
"""The server all mail goes to: beyond the reach of the cuts, it forgets nothing.

What it does with a recipient stands in the address (tests/power/letters.py).
A copy is noted before its 250 goes out, as a server takes responsibility.
"""

import socket
import threading
from collections import Counter
from contextlib import suppress
from email import message_from_bytes
from typing import Self

from tests.power.ledger import Ledger
from tests.power.letters import digest, parsed, times

_EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"


class Sink:
    """Listens on loopback while it is entered."""

    def __init__(self, ledger: Ledger) -> None:
        """Write down what happens."""
        self.ledger = ledger
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._put_off: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take no more connections."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def puts_off(self, name: str, limit: int) -> bool:
        """Tell whether this is to be put off once more."""
        with self._lock:
            self._put_off[name] += 1
            return self._put_off[name] <= limit

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            session = _Session(sock, self, self.ledger.life)
            threading.Thread(target=session.serve, daemon=True).start()


class _Session:
    """One connection, in the life in which it came."""

    def __init__(self, sock: socket.socket, sink: Sink, life: int) -> None:
        self._sock = sock
        self._lines = sock.makefile("rb")
        self._sink = sink
        self._ledger = sink.ledger
        self._life = life
        self._sender = ""
        self._taken: list[str] = []

    def serve(self) -> None:
        """Answer until the client has gone."""
        with suppress(OSError, ValueError), self._sock, self._lines:
            # Replies to pipelined commands are small writes in a row.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.sendall(b"220 sink\r\n")
            while line := self._lines.readline():
                self._sock.sendall(self._answer(line.decode("ascii")))
                if line.upper().startswith(b"QUIT"):
                    return

    def _answer(self, line: str) -> bytes:
        verb = line[:4].upper()
        path = line.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                return _EHLO
            case "MAIL":
                self._sender, self._taken = path, []
            case "RCPT":
                return self._recipient(path)
            case "DATA":
                return self._data()
            case _:
                pass
        return b"250 2.0.0 ok\r\n"

    def _recipient(self, address: str) -> bytes:
        if not self._sender:  # a report is for a sender, who is no recipient
            self._taken.append(address)
            return b"250 2.1.5 ok\r\n"
        self._ledger.tried(self._life, address)
        manner, _, _ = parsed(address)
        if manner == "no":
            return b"550 5.1.1 nobody of that name\r\n"
        if self._sink.puts_off(address, times(manner, "later")):
            return b"451 4.2.0 later\r\n"
        self._taken.append(address)
        return b"250 2.1.5 ok\r\n"

    def _data(self) -> bytes:
        if not self._taken:
            return b"554 5.5.1 no valid recipients\r\n"
        self._sock.sendall(b"354 go on\r\n")
        octets = self._content()
        if not self._sender:
            self._ledger.reported(*_report(octets))
            return b"250 2.0.0 taken\r\n"
        manner, _, _ = parsed(self._sender)
        if self._sink.puts_off(self._sender, times(manner, "dot")):
            return b"451 4.3.0 not now\r\n"
        self._pause(times(manner, "slow"))
        self._ledger.taken(self._life, self._taken, digest(octets))
        self._pause(times(manner, "slow"))
        return b"250 2.0.0 taken\r\n"

    def _content(self) -> bytes:
        """Return all up to the final dot; raise ``OSError`` where it breaks off."""
        lines = []
        while (line := self._lines.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise ConnectionResetError
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _pause(self, milliseconds: int) -> None:
        if milliseconds:
            self._sink.stopping.wait(milliseconds / 1000)


def _report(octets: bytes) -> tuple[list[str], str]:
    """Return whom a report is about, and its own name."""
    found = message_from_bytes(octets)
    paths = [
        one for part in found.walk() for one in part.get_all("Final-Recipient", ())
    ]
    return [path.partition("; ")[2] for path in paths], str(found["Message-ID"])
