# SPDX-License-Identifier: Apache-2.0
"""A connection to a server that may be slow, broken or hostile.

smtplib with its weak places covered: every reply is bounded in time, length
and lines, whatever is no reply ends the connection, and what went wrong is
said in a ``Reply`` together with the place where it happened.
"""

import contextlib
import select
import smtplib
import socket
import ssl
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive

Said = tuple[int, bytes]
"""A reply as smtplib gives it: code and text, lines joined by LF."""

OUT_OF_STEP = "4.5.0"  # status: not SMTP; what was answered before may be wrong too

_LINE_LIMIT = 65_536  # a longer line is no reply
_LINE_KEPT = 4_096
_LINES_LIMIT = 100
_RECEIVE = 65_536
_LITTLE = 16_384


class ConnectionLost(smtplib.SMTPServerDisconnected):
    """The connection is of no use any more; ``reply`` says why and where."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply that stands for what the server did not say."""
        super().__init__(str(reply))
        self.reply = reply


class Wire(smtplib.SMTP):
    """One connection, used by one thread.

    ``step`` names what is done next and how long it may take; a reply that
    is not complete within that time, counted from the first wait for it,
    ends the connection, however steadily its octets drip in.
    """

    def __init__(self, hostname: str, clock: Clock, alive: Alive) -> None:
        """Prepare; nothing is connected before ``adopt``."""
        super().__init__(local_hostname=hostname)  # given: no look-up of our name
        self.alive = alive
        self.clock = clock
        self.lmtp = False  # LHLO, and a reply for each recipient (RFC 2033)
        self.mid_transaction = False  # MAIL was accepted, and nothing ended it yet
        self._aborted = False
        self._poll = select.poll()
        self._buffer = bytearray()
        self.doing = "connect"
        self.limit = timedelta(0)
        self._until: timedelta | None = None
        self._allowed: timedelta | None = None  # what the socket has been told

    def adopt(self, sock: socket.socket) -> None:
        """Take a socket, connected or about to be."""
        self._allowed = None
        # Small writes follow each other without an answer between them (the
        # end of a large message): Nagle would hold them for 40 ms.
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.sock = sock
        self.connected()

    def abort(self) -> None:
        """End the connection under the hands of the thread that uses it."""
        self._aborted = True
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # it is not connected (any more)
                # Not the method of an SSLSocket: that would take the TLS away
                # first, and let the other thread speak in clear.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def step(self, name: str, limit: timedelta) -> None:
        """Name what comes next, and its time limit."""
        self.doing = name
        self.limit = limit

    @property
    def unread(self) -> bool:
        """Tell whether something has come that nobody asked for yet."""
        return bool(self._buffer)

    @property
    def encrypted(self) -> bool:
        """Tell whether TLS protects what is said from here on."""
        return isinstance(self.sock, ssl.SSLSocket)

    def put(self, octets: bytes) -> bool:
        """Send, within the limit of the step; return whether all of it went out.

        If not, ``getreply`` tells why: a server may say so before it hangs up.
        """
        self.keep_step()
        self.alive(self.limit)
        # Little finds room in the socket at once: whatever limit is set will do.
        sock = self.connected(limited=len(octets) > _LITTLE)
        try:
            sock.sendall(octets)
        except TimeoutError as error:
            if self._poll.poll(0):  # it has said why it takes no more
                return False
            raise self.timed_out() from error
        except ConnectionError:  # reset, or closed: last words may be unread
            return False
        except OSError as error:
            raise self._broken(error) from error
        return True

    def keep_step(self) -> None:
        """Raise ``ConnectionLost`` if there are more replies than questions.

        The next one would be taken for the answer to what is said next.
        """
        if self._buffer:
            raise self.lost(f"unasked reply: {_shown(self._buffer)}", OUT_OF_STEP)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send one command, as smtplib's own methods ask for it."""
        line = f"{cmd} {args}" if args else cmd
        if "\r" in line or "\n" in line:  # never shown: it may hold a secret
            raise ValueError("a line end within an SMTP command")
        self.put(line.encode("ascii", "replace") + b"\r\n")

    def getreply(self) -> Said:
        """Read one reply, or raise ``ConnectionLost``."""
        self._until = None
        line = self._line()
        code = self._code(line)
        if line[3:4] != b"-":
            return code, line[4:].strip()
        lines = [line[4:].strip()]
        while line[3:4] == b"-":
            if len(lines) == _LINES_LIMIT:
                raise self.lost(f"reply of more than {_LINES_LIMIT} lines", OUT_OF_STEP)
            line = self._line()
            lines.append(line[4:].strip())
            # The last code counts; but a yes that began as a no is neither.
            if self._code(line) // 100 != code // 100:
                raise self.lost("reply with contradicting codes", OUT_OF_STEP)
            code = self._code(line)
        return code, b"\n".join(lines)

    def unprompted(self) -> bool:
        """Tell whether the server spoke, or closed, without having been asked."""
        if self._buffer:
            return True
        sock = self.connected(limited=False)
        ready = bool(self._poll.poll(0))
        if not isinstance(sock, ssl.SSLSocket):
            return ready
        return (ready or bool(sock.pending())) and self._spoke(sock)

    def lost(self, why: str, status: str = "4.4.2") -> ConnectionLost:
        """Close, and make the error that tells it."""
        self.close()
        return ConnectionLost(Reply(451, status, f"{why} (at {self.doing})"))

    def timed_out(self) -> ConnectionLost:
        """Close, and make the error of a step that took too long."""
        return self.lost(f"timed out after {self.limit.total_seconds():g} s")

    def connected(self, *, limited: bool = True) -> socket.socket:
        """Return the socket, told the limit of the step; or raise."""
        if self._aborted:
            raise self.lost("broken off by us")
        if self.sock is None:
            raise self.lost("connection closed")
        if limited:
            self._allow(self.sock, self.limit)
        return self.sock

    def _line(self) -> bytes:
        buffer, searched = self._buffer, 0
        while (end := buffer.find(b"\n", searched)) < 0:
            searched = len(buffer)
            if searched > _LINE_LIMIT:
                raise self.lost("reply line without end", OUT_OF_STEP)
            self._receive()
        line = bytes(buffer[: min(end, _LINE_KEPT)])
        del buffer[: end + 1]
        return line

    def _code(self, line: bytes) -> int:
        code = int(line[:3]) if line[:3].isdigit() else 0
        # An empty rest is "in" too: "250" alone is a reply (RFC 5321 4.2).
        if not (200 <= code <= 599 and line[3:4].strip() in b"-"):
            raise self.lost(f"not a reply: {_shown(line)}", OUT_OF_STEP)
        return code

    def _receive(self) -> None:
        sock = self.connected()
        if self._until is None:
            self.alive(self.limit)
            self._until = self.clock.monotonic() + self.limit
            octets = self._read(sock)
        else:
            left = self._until - self.clock.monotonic()
            if left <= timedelta(0):
                raise self.timed_out()
            self._allow(sock, left)
            octets = self._read(sock)
        if not octets:
            self.connected()  # unless it was we who broke it off
            raise self.lost("connection closed by the server")
        self._buffer += octets

    def _read(self, sock: socket.socket) -> bytes:
        try:
            return sock.recv(_RECEIVE)
        except TimeoutError as error:
            raise self.timed_out() from error
        except OSError as error:
            raise self._broken(error) from error

    def _spoke(self, sock: ssl.SSLSocket) -> bool:
        # What can be read may be TLS's own (a session ticket), not SMTP.
        self._allow(sock, timedelta(0))
        try:
            self._buffer += sock.recv(_RECEIVE)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        return True

    def _allow(self, sock: socket.socket, limit: timedelta) -> None:
        """Let the next step on the socket take so long; a call for each is dear."""
        if limit != self._allowed:
            sock.settimeout(limit.total_seconds())
            self._allowed = limit

    def _broken(self, error: OSError) -> ConnectionLost:
        return self.lost(f"connection broken: {error.strerror or error}")


def _shown(line: bytes | bytearray) -> str:
    return ascii(line.rstrip()[:60].decode("latin-1"))
