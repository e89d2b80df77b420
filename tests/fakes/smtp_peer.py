# SPDX-License-Identifier: Apache-2.0
"""One connection of the scripted server: SMTP as the RFC has it, unless told else."""

import base64
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.fakes.actions import Action, Ended
from tests.fakes.sasl import proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One message whose final dot arrived."""

    mail: bytes  # the MAIL command
    recipients: tuple[str, ...]
    content: bytes  # without the dots that SMTP adds, line ends as they came
    kept: bool  # the server took it, whether it could say so or not
    encrypted: bool
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What a server offers when nothing else was said."""

    extensions: tuple[str, ...]
    tls: ssl.SSLContext | None
    implicit: bool
    users: Mapping[str, str]
    mechanisms: str = "PLAIN LOGIN CRAM-MD5"
    end_point: bytes = b""  # what tls-server-end-point is here


class Host(Protocol):
    """The server as one connection sees it."""

    stopping: threading.Event

    def rule(self, stage: str, command: bytes) -> Action:
        """Return what to do at a stage."""
        ...

    def note(self, *, heard: bytes | None = None, taken: Taken | None = None) -> None:
        """Write something down."""
        ...


_PACKET = 65536


class SmtpPeer:
    """Serves one client until somebody has enough."""

    def __init__(self, sock: socket.socket, host: Host, manners: Manners) -> None:
        """Take an accepted socket."""
        self.sock = sock
        self._host = host
        self._manners = manners
        self._buffer = b""
        self._unsent = b""
        self._stage = ""
        self._line = b""
        self._said = b""  # since the last command
        self._user: str | None = None
        self._mail: bytes | None = None
        self._recipients: list[str] = []
        self._content = b""
        self._noted = False

    def converse(self) -> None:
        """Speak until the end."""
        try:
            self._converse()
        except Ended:
            self.flush()
            raise

    def _converse(self) -> None:
        self._at("connect")
        if self._manners.implicit:
            self._at("tls")
        self._at("banner")
        while True:
            self._line = self._read_line()
            self._host.note(heard=self._line)
            verb = self._line.split(b" ")[0].strip().lower().decode("latin-1")
            known = hasattr(self, f"_usual_{verb}")
            self._at(verb if known else "unknown")
            if verb == "mail" and self._said.startswith(b"2"):
                self._mail, self._recipients = self._line, []
            elif verb == "rcpt" and self._said.startswith(b"2"):
                self._recipients.append(self._path())
            elif verb == "starttls" and self._said.startswith(b"220"):
                self._at("tls")
            elif verb == "data" and self._said.startswith(b"354"):
                self._receive()
            elif verb == "bdat":
                self._receive_chunk()

    def send(self, octets: bytes) -> None:
        """Send, and remember what was said first.

        Replies to what came together go out together (RFC 2920 3.2).
        """
        self._said = (self._said + octets)[:100]
        self._unsent += octets
        if len(self._unsent) > _PACKET:
            self.flush()

    def flush(self) -> None:
        """Let go out what was said."""
        octets, self._unsent = self._unsent, b""
        self.sock.sendall(octets)

    def pause(self, seconds: float) -> None:
        """Let time pass; a client that hangs up ends the pause by our next word."""
        self.flush()
        if self._host.stopping.wait(seconds):
            raise Ended

    def usual(self) -> None:
        """Do what a well-behaved server does."""
        getattr(self, f"_usual_{self._stage}")()

    def taken(self) -> None:
        """Keep the message; whether to say so is another matter."""
        self._note(kept=True)
        self._recipients, self._mail = [], None

    def _path(self) -> str:
        return self._line.decode().partition("<")[2].rpartition(">")[0]

    def _at(self, stage: str) -> None:
        self._stage, self._said = stage, b""
        self._host.rule(stage, self._line)(self)

    def _say(self, text: str) -> None:
        self.send(f"{text}\r\n".encode())

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def _fill(self) -> None:
        self.flush()
        octets = self.sock.recv(65536)
        if not octets:
            raise Ended
        self._buffer += octets

    def _usual_connect(self) -> None:
        pass

    def _usual_banner(self) -> None:
        self._say("220 fake.example ESMTP")

    def _usual_unknown(self) -> None:
        self._say("500 5.5.2 what?")

    def _usual_helo(self) -> None:
        self._say("250 fake.example")

    def _usual_ehlo(self) -> None:
        manners = self._manners
        offered = ["fake.example", *manners.extensions]
        if manners.tls and not self._encrypted:
            offered.append("STARTTLS")
        if manners.users:
            offered.append(f"AUTH {manners.mechanisms}")
        for word in offered[:-1]:
            self._say(f"250-{word}")
        self._say(f"250 {offered[-1]}")

    def _usual_lhlo(self) -> None:
        self._usual_ehlo()

    def _usual_starttls(self) -> None:
        self._say("220 2.0.0 go ahead" if self._manners.tls else "502 5.5.1 no TLS")

    def _usual_tls(self) -> None:
        assert self._manners.tls is not None
        self.flush()
        # A client that speaks on in clear could be made to say what it did not.
        assert not self._buffer
        self.sock = self._manners.tls.wrap_socket(self.sock, server_side=True)

    def _usual_auth(self) -> None:
        words = self._line.split()[1:]
        self._user = proven(words, self._manners.users, self._ask, self._bound)
        if self._user is not None:
            self._say("235 2.7.0 welcome")
        else:
            self._say("535 5.7.8 authentication failed")

    def _ask(self, challenge: bytes) -> bytes:
        self._say(f"334 {base64.b64encode(challenge).decode()}")
        line = self._read_line()
        self._host.note(heard=line)
        return base64.b64decode(line)

    def _bound(self, kind: str) -> bytes:
        """Return what a client of ours and we have in common, and nobody else."""
        assert isinstance(self.sock, ssl.SSLSocket)
        if kind == "tls-server-end-point":
            return self._manners.end_point
        return self.sock.get_channel_binding(kind) or b""

    def _usual_mail(self) -> None:
        self._say("250 2.1.0 ok")

    def _usual_rcpt(self) -> None:
        self._say("250 2.1.5 ok")

    def _usual_data(self) -> None:
        if self._recipients:
            self._say("354 go on")
        else:
            self._say("554 5.5.1 no valid recipients")

    def _usual_body(self) -> None:
        pass

    def _usual_dot(self) -> None:
        self.taken()
        self._say("250 2.0.0 taken")

    def _usual_rset(self) -> None:
        self._recipients, self._mail = [], None
        self._say("250 2.0.0 ok")

    def _usual_noop(self) -> None:
        self._say("250 2.0.0 ok")

    def _usual_quit(self) -> None:
        self._say("221 2.0.0 bye")
        raise Ended

    def _usual_bdat(self) -> None:
        """Say nothing before the chunk has come."""

    def _receive_chunk(self) -> None:
        _, size, last = self._line.split()
        assert last == b"LAST"
        while len(self._buffer) < int(size):
            self._fill()
        self._content = self._buffer[: int(size)]
        self._buffer = self._buffer[int(size) :]
        if not self._recipients:
            self._say("503 5.5.1 no valid recipients")
            return
        self._decide()

    def _receive(self) -> None:
        while not self._buffer:
            self._fill()
        self._at("body")
        content = []
        while (line := self._read_line()) != b".\r\n":
            content.append(line[1:] if line.startswith(b".") else line)
        self._content = b"".join(content)
        self._decide()

    def _decide(self) -> None:
        self._noted = False
        try:
            self._at("dot")
        finally:
            self._note(kept=False)

    def _note(self, *, kept: bool) -> None:
        if self._noted:
            return
        self._noted = True
        self._host.note(
            taken=Taken(
                mail=self._mail or b"",
                recipients=tuple(self._recipients),
                content=self._content,
                kept=kept,
                encrypted=self._encrypted,
                user=self._user,
            )
        )

    @property
    def _encrypted(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket)
