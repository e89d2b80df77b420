# SPDX-License-Identifier: Apache-2.0
"""The words of the table, as what a scripted server does and how it is reached."""

import socket
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from maildropd.config.relay import RelayConfig, Tls
from maildropd.relay.identity.login import Login
from tests.fakes import actions
from tests.fakes.actions import Action, raw, reply, reply_and_close, then, usual
from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer
from tests.faults.server_table import Row

LIMIT = timedelta(seconds=2)  # for steps that are meant to take too long
LONG = timedelta(seconds=30)
LIMITS: Mapping[str, tuple[str, ...]] = {  # and the stages each of them bounds
    "connect_timeout": ("connect",),
    "greeting_timeout": ("connect", "banner"),
    "command_timeout": (
        *("ehlo", "helo", "starttls", "tls", "auth", "mail", "rcpt", "rset"),
    ),
    "data_timeout": ("data", "body"),
    "final_timeout": ("dot",),
}
LOGIN = Login(username="app", password="secret")
PLACES: Mapping[str, str] = {
    "banner": "greeting",
    "ehlo": "EHLO",
    "helo": "HELO",
    "starttls": "STARTTLS",
    "auth": "AUTH",
    "mail": "MAIL",
    "rcpt": "RCPT",
    "data": "DATA",
}
CODES: Mapping[str, str] = {"banner": "220", "starttls": "220", "data": "250"}
STALLS = ("hangs", "half a reply", "drips", "ignores")


def acts(row: Row) -> Action:
    """Return what the server does."""
    code = CODES.get(row.stage, "250")
    known: dict[str, Action] = {
        "closes": actions.drop(),
        "resets": actions.reset(),
        "hangs": actions.hang(),
        "half a reply": actions.half(f"{code} 2.0.0 half of this"),
        "drips": actions.drip(f"{code} 2.0.0 octet by octet\r\n".encode(), 0.1),
        "a line of 10 MB": actions.long_line(int(code), 10_000_000),
        "lines without end": actions.endless(int(code)),
        "garbage": raw(b"hello there\r\n"),
        "binary": raw(b"\xff\xfe\0\x80\n"),
        "an empty line": raw(b"\r\n"),
        "code 199": reply("199 go"),
        "code 999": reply("999 go"),
        "250_ok": reply("250_ok"),
        "yes and no": reply(f"{code}-ok", "550 no"),
        "350": reply("350 go on"),
        "two replies": then(usual(), reply("550 5.0.0 by the way")),
        "421": reply_and_close("421 4.3.2 closing"),
        "450": reply("450 4.3.0 later"),
        "550": reply("550 5.3.0 never"),
        "550, status of yes": reply("550 2.0.0 never"),
        "554 blocked": reply("554 5.7.1 Client host blocked"),
        "554 relaying": reply("554 5.7.1 Relay access denied"),
        "535": reply("535 5.7.8 wrong password"),
        "552": reply("552 too many recipients"),
        "yes, wrong status": reply(f"{code} 5.1.1 fine"),
        "yes, octet by octet": actions.drip(f"{code} 2.0.0 fine\r\n".encode(), 0.002),
        "yes, and a no": then(reply("250 2.0.0 fine"), reply("550 5.0.0 or not")),
    }
    action = known[row.action]
    return then(actions.keep(), action) if row.kept else action


def script(row: Row, server: SmtpServer) -> None:
    """Tell the server what to do."""
    if row.stage == "tls":
        _script_tls(row, server)
    elif row.action == "vanishes after TLS":
        server.on("ehlo", usual(), times=1)
        server.on("ehlo", reply("250 fake.example"))
    elif row.action not in ("refuses", "ignores", "is not offered"):
        if row.stage == "helo":
            server.on("ehlo", reply("502 5.5.1 what?"))
        server.on(row.stage, acts(row))


def _script_tls(row: Row, server: SmtpServer) -> None:
    evil = b"250-fake.example\r\n250 AUTH PLAIN\r\n"
    hello = actions.after_hello
    match row.action:
        case "clear with the 220":
            server.on("starttls", raw(b"220 go\r\n" + evil))
        case "clear for a hello":
            server.on("tls", then(hello(evil), usual()))
        case "clear after TLS":
            server.on("tls", then(usual(), actions.in_clear(evil)))
        case "garbage":
            server.on("tls", then(hello(b"this is not TLS\r\n"), actions.drop()))
        case "an alert":
            refusal = b"\x15\x03\x03\x00\x02\x02\x28"
            server.on("tls", then(hello(refusal), actions.drop()))
        case "closes" | "resets" | "hangs":
            server.on("tls", acts(row))
        case _:
            pass  # its certificate is enough


class Scene:
    """A server that is told what to do, and at last to behave."""

    def __init__(self, row: Row) -> None:
        """Make it; ``with`` has it up."""
        self._row = row
        self._stack = ExitStack()
        self._listener = _listener(row)
        extensions = ("8BITMIME", *(("PIPELINING",) if row.pipelining else ()))
        self.server = SmtpServer(
            extensions=extensions,
            tls=_tls(row),
            users={"app": "secret"} if _with_auth(row) else None,
            listener=self._listener,
        )
        script(row, self.server)

    def __enter__(self) -> Self:
        """Begin to serve, or to be silent."""
        if self._row.action == "ignores":
            for _ in range(3):  # whom nobody accepts; the next is not answered
                sock = self._stack.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", self.server.port))
        elif self._row.action != "refuses":
            self._stack.enter_context(self.server)
        return self

    def __exit__(self, *_: object) -> None:
        """End the server."""
        self._stack.close()
        self._listener.close()

    def behave(self) -> None:
        """Have a good server from now on."""
        self.server.forget()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.server.manners = replace(
            self.server.manners,
            users={"app": "secret"} if self.with_login else {},
            tls=certificates().server() if self.encrypted else None,
        )
        if self._row.action in ("refuses", "ignores"):
            self._stack.close()
            self._listener.listen(100)
            self._stack.enter_context(self.server)

    @property
    def with_login(self) -> bool:
        """Tell whether we are to log in."""
        return self._row.stage == "auth"

    @property
    def encrypted(self) -> bool:
        """Tell whether we insist on STARTTLS."""
        tls = self._row.stage in ("starttls", "tls")
        return tls or self._row.action == "vanishes after TLS"

    def relay(self, **changes: Any) -> RelayConfig:
        """Return the relay section that leads here."""
        row = self._row
        # A server that only talks while we send leaves us as much to wait for.
        stalls = row.action in STALLS or row.stage == "body"
        words: dict[str, Any] = {
            key: LIMIT if stalls and row.stage in stages else LONG
            for key, stages in LIMITS.items()
        }
        words |= {
            "name": "smarthost",
            "host": "127.0.0.1",
            "port": self.server.port,
            "tls": Tls.REQUIRED if self.encrypted else Tls.NONE,
            "tls_ca_file": certificates().ca,
            "auth_in_clear": True,
            "max_messages": 1 if row.stage == "quit" else 0,
            "max_connections": 1,
        }
        return RelayConfig(**(words | changes))


def _tls(row: Row) -> ssl.SSLContext | None:
    if row.stage == "tls" or row.action == "vanishes after TLS":
        bad = row.action in ("expired", "self-signed", "wrong-name")
        return certificates().server(row.action if bad else "good")
    offered = row.stage == "starttls" and row.action != "is not offered"
    return certificates().server() if offered else None


def _with_auth(row: Row) -> bool:
    return row.stage == "auth" and row.action != "is not offered"


def _listener(row: Row) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if row.stage == "body":  # content is to be stopped before all of it is under way
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    if row.action != "refuses":
        listener.listen(0 if row.action == "ignores" else 100)
    return listener
