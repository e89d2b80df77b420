# SPDX-License-Identifier: Apache-2.0
"""Asking an OAuth endpoint for a token (RFC 6749), within limits.

What it answers may be anything: it is bounded in time and size, and nothing
of it is quoted that repeats a secret.
"""

import errno
import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from maildropd.relay.identity.token_answer import Answer, TokenTrouble, understood

LIMIT = 20.0  # seconds for one request, the look-up of the name aside
_LONGEST = 128 * 1024  # octets of an answer with its header
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where tokens are given out, and whom it knows us as."""

    url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    ca_file: Path | None = None

    @property
    def host(self) -> str:
        """Its name, for people; the rest of the address may tell too much."""
        return urlsplit(self.url).hostname or ""

    def ask(self, refresh_token: str) -> Answer:
        """Return what it gives for a refresh token, or for our own secret if empty.

        Raise ``TokenTrouble``.
        """
        words = {"grant_type": "client_credentials", "client_id": self.client_id}
        if refresh_token:
            words["grant_type"] = "refresh_token"
            words["refresh_token"] = refresh_token
        if self.client_secret:
            words["client_secret"] = self.client_secret
        if self.scope:
            words["scope"] = self.scope
        try:
            status, body = self._exchange(words)
        except TokenTrouble as trouble:
            text = f"{self.host}: {trouble}"
            raise TokenTrouble(text, final=trouble.final) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise TokenTrouble(f"{self.host}: {_why(error)}") from None
        secrets = [refresh_token, self.client_secret]
        return understood(self.host, status, body, secrets)

    def _exchange(self, words: Mapping[str, str]) -> tuple[int, bytes]:
        until = time.monotonic() + LIMIT
        parts = urlsplit(self.url)
        request = _request(parts.netloc, parts.path or "/", parts.query, words)
        with ExitStack() as stack:
            sock = self._connected(stack)
            sock.settimeout(max(until - time.monotonic(), 0.001))
            sock.sendall(request)
            return response(sock, until)

    def _connected(self, stack: ExitStack) -> socket.socket:
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        made = self._context() if secure else None
        sock = stack.enter_context(socket.create_connection((host, port), LIMIT / 2))
        if made is None:
            return sock
        # The sockets close each other: whichever it is then, it is closed.
        wrapped = made.wrap_socket(
            sock, server_hostname=host, do_handshake_on_connect=False
        )
        stack.enter_context(wrapped)
        wrapped.do_handshake()
        return wrapped

    def _context(self) -> ssl.SSLContext:
        file = self.ca_file
        try:
            made = ssl.create_default_context(cafile=str(file) if file else None)
        except OSError as error:
            final = error.errno not in _OURS
            why = f"oauth_ca_file {file}: {error.strerror or error}"
            raise TokenTrouble(why, final=final) from None
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        return made


def response(sock: socket.socket, until: float) -> tuple[int, bytes]:
    """Return status and content of what comes, within time and size."""
    # It needs no more of a socket than makefile.
    bounded = cast("socket.socket", _Bounded(sock, until))
    with closing(http.client.HTTPResponse(bounded)) as found:
        found.begin()
        # Read without a limit it makes room for as much as it is promised.
        return found.status, found.read(_LONGEST)


class _Bounded(io.RawIOBase):
    """What comes from a socket, until a time and up to a size."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        """Read from here on."""
        super().__init__()
        self._sock = sock
        self._until = until
        self._left = _LONGEST

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return it as http.client wants it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read some octets, if there is time and room."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        number = self._sock.recv_into(buffer)
        self._left -= number
        if self._left < 0:
            raise TokenTrouble("the answer is too long")
        return number


def _request(netloc: str, path: str, query: str, words: Mapping[str, str]) -> bytes:
    body = urlencode(words).encode("ascii")
    target = f"{path}?{query}" if query else path
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {netloc}",
        "User-Agent: maildropd",
        "Accept: application/json",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii") + body


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLCertVerificationError():
            return f"certificate not accepted: {error.verify_message}"
        case OSError():
            return error.strerror or str(error)
        case _:  # its text may quote what came, and that may quote us
            return "it does not speak HTTP"
