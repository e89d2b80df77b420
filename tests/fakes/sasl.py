# SPDX-License-Identifier: Apache-2.0
"""The server's side of AUTH, for the mechanisms that we speak."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Ask = Callable[[bytes], bytes]
"""Say a challenge, return the answer, both decoded."""

Bound = Callable[[str], bytes]
"""Return what a type of channel binding is at the server's end."""

CHALLENGE = b"<1896.697170952@postoffice.example>"
NO_TOKEN = b'{"status":"401","schemes":"bearer","scope":"https://mail.example/"}'


def _unbound(_kind: str) -> bytes:
    """Say that there is no TLS."""
    return b""


def proven(
    words: list[bytes], users: Mapping[str, str], ask: Ask, bound: Bound = _unbound
) -> str | None:
    """Return the user whom an AUTH command, and what follows it, proves."""
    name, word = "", ""
    match [word.decode() for word in words]:
        case ["PLAIN", initial]:
            _, name, word = base64.b64decode(initial).decode().split("\0")
        case ["PLAIN"]:
            _, name, word = ask(b"").decode().split("\0")
        case ["LOGIN"]:
            name = ask(b"Username:").decode()
            word = ask(b"Password:").decode()
        case ["CRAM-MD5"]:
            name, _, digest = ask(CHALLENGE).decode().rpartition(" ")
            key = users.get(name, "").encode()
            right = hmac.new(key, CHALLENGE, "md5").hexdigest() == digest
            word = users.get(name, "") if right else ""
        case ["SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS" as kind, initial]:
            plus = kind.endswith("PLUS")
            name = ScramServer(users, ask, bound).proven(initial, plus=plus)
            word = users.get(name, "")
        case ["XOAUTH2" | "OAUTHBEARER", initial]:
            name, word = _bearer(base64.b64decode(initial).decode())
            if users.get(name) != word:
                ask(NO_TOKEN)
        case _:
            pass
    return name if word and users.get(name) == word else None


def _bearer(said: str) -> tuple[str, str]:
    """Return user and token."""
    first, *pairs = said.split("\1")
    name = first.removeprefix("user=").removeprefix("n,a=").removesuffix(",")
    name = name.replace("=2C", ",").replace("=3D", "=")
    return name, dict(pair.split("=", 1) for pair in pairs if pair)["auth"][7:]


@dataclass(frozen=True, slots=True)
class ScramServer:
    """SCRAM-SHA-256 as a server speaks it."""

    users: Mapping[str, str]
    ask: Ask
    bound: Bound = _unbound
    salt: bytes = b"sixteen octets!!"
    iterations: int = 4096

    def proven(self, initial: str, *, plus: bool) -> str:
        """Return who proved to know the password; nothing if nobody did."""
        said = base64.b64decode(initial).decode()
        flag, _, bare = said.split(",", 2)
        assert flag.startswith("p=") is plus
        name = bare.split(",")[0].removeprefix("n=")
        name = name.replace("=2C", ",").replace("=3D", "=")
        salt = base64.b64encode(self.salt).decode()
        nonce = bare.partition(",r=")[2] + "-and-the-server's"
        first = f"r={nonce},s={salt},i={self.iterations}"
        final = self.ask(first.encode()).decode()
        without, _, proof = final.rpartition(",p=")
        header = f"{flag},,".encode()
        octets = self.bound(flag.removeprefix("p=")) if plus else b""
        bound = base64.b64encode(header + octets).decode()
        if without != f"c={bound},r={nonce}":
            return ""
        agreed = f"{bare},{first},{without}".encode()
        stored, server = self._keys(self.users.get(name, ""))
        mask = hmac.digest(stored, agreed, "sha256")
        client = bytes(
            a ^ b for a, b in zip(base64.b64decode(proof), mask, strict=True)
        )
        if hashlib.sha256(client).digest() != stored:
            return ""
        signature = base64.b64encode(hmac.digest(server, agreed, "sha256"))
        return name if self.ask(b"v=" + signature) == b"" else ""

    def _keys(self, password: str) -> tuple[bytes, bytes]:
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), self.salt, self.iterations
        )
        client = hmac.digest(salted, b"Client Key", "sha256")
        return (
            hashlib.sha256(client).digest(),
            hmac.digest(salted, b"Server Key", "sha256"),
        )
