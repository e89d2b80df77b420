# SPDX-License-Identifier: Apache-2.0
"""SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know the password.

The server never gets the password, and no server is believed that could not
have had it: what a server sends here may come from anybody.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
import threading
import unicodedata
from dataclasses import dataclass

FEWEST = 4096  # iterations (RFC 7677 section 4); fewer are guessed too quickly
MOST = 1_000_000  # a hostile server would have us count for hours
_LONGEST = 2048  # octets of a message; real ones have some hundred
_KEPT = 8  # keys; a server has one salt for one user
_CHALLENGE = re.compile(r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(,.*)?")
_ERROR = re.compile(r"e=([a-z-]{1,40})")
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class ScramTrouble(Exception):
    """The server does not speak SCRAM, or is not the one that knows the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What is made of a password; never shown, as good as the password itself."""

    client: bytes
    server: bytes

    def __repr__(self) -> str:
        return "Keys()"


class SaltedPassword:
    """One password, and what was made of it at great expense.

    All connections to a relay share one, and the first of them does the work.
    """

    def __init__(self, password: str) -> None:
        """Take the password; nothing is counted before a server asks."""
        self._password = prepared(password).encode()
        self._lock = threading.Lock()
        self._found: dict[tuple[bytes, int], Keys] = {}

    def keys(self, salt: bytes, iterations: int) -> Keys:
        """Return the keys for a salt; the first time takes up to a second."""
        with self._lock:
            found = self._found.get((salt, iterations))
            if found is None:
                while len(self._found) >= _KEPT:
                    self._found.pop(next(iter(self._found)))
                found = self._made(salt, iterations)
                self._found[salt, iterations] = found
            return found

    def _made(self, salt: bytes, iterations: int) -> Keys:
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        return Keys(
            client=_mac(salted, b"Client Key"), server=_mac(salted, b"Server Key")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """How the conversation is tied to the TLS below it (the gs2 header).

    ``y`` tells the server that we could have: if it offered to, and somebody
    took that out of its words, it ends the conversation.
    """

    flag: str = "n"  # "n", "y", or "p=TYPE"
    octets: bytes = b""

    @property
    def header(self) -> bytes:
        """What the first message begins with."""
        return f"{self.flag},,".encode()


class Scram:
    """The client's side of one conversation."""

    def __init__(
        self,
        username: str,
        password: SaltedPassword,
        binding: Binding,
        nonce: str | None = None,
    ) -> None:
        """Prepare; a nonce is given by tests only."""
        name = prepared(username).replace("=", "=3D").replace(",", "=2C")
        self._nonce = nonce or secrets.token_urlsafe(18)
        self._bare = f"n={name},r={self._nonce}"
        self._password = password
        self._binding = binding
        self._signature: bytes | None = None  # what the server is to answer
        self.verified = False

    def first(self) -> bytes:
        """Return the client's first message."""
        return self._binding.header + self._bare.encode()

    def final(self, challenge: bytes) -> bytes:
        """Return the proof; raise ``ScramTrouble`` if nobody should get one."""
        said = _text(challenge)
        nonce, salt, iterations = self._understood(said)
        bound = base64.b64encode(self._binding.header + self._binding.octets).decode()
        final = f"c={bound},r={nonce}"
        agreed = f"{self._bare},{said},{final}".encode()
        keys = self._password.keys(salt, iterations)
        signed = _mac(hashlib.sha256(keys.client).digest(), agreed)
        proof = bytes(a ^ b for a, b in zip(keys.client, signed, strict=True))
        self._signature = _mac(keys.server, agreed)
        return f"{final},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, last: bytes) -> None:
        """Raise ``ScramTrouble`` unless the server has proven itself."""
        said = _text(last)
        if error := _ERROR.match(said):
            raise ScramTrouble(f"the server ends SCRAM: {error[1]}")
        signature = _octets(said[2:].partition(",")[0]) if said[:2] == "v=" else b""
        if self._signature is None or not hmac.compare_digest(
            signature, self._signature
        ):
            raise ScramTrouble("the server does not know our password")
        self.verified = True

    def _understood(self, said: str) -> tuple[str, bytes, int]:
        found = _CHALLENGE.fullmatch(said)
        if found is None:
            raise ScramTrouble("the server's challenge is not SCRAM's")
        nonce, salt, iterations = found[1], _octets(found[2]), int(found[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramTrouble("the server's nonce is not made of ours")
        if not salt:
            raise ScramTrouble("the server's salt is not base64")
        if not FEWEST <= iterations <= MOST:
            why = f"the server wants {iterations} iterations"
            raise ScramTrouble(f"{why} (not between {FEWEST} and {MOST})")
        return nonce, salt, iterations


def prepared(text: str) -> str:
    """Return a name or password as SASLprep writes it (RFC 4013).

    Where that forbids it, it is returned as it is: most servers prepare
    nothing, and know it in no other form.
    """
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(each) else each
        for each in text
        if not stringprep.in_table_b1(each)
    )
    found = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    forbidden = any(table(each) for each in found for table in _PROHIBITED)
    return text if forbidden or not found or _mixed(found) else found


def _mixed(text: str) -> bool:
    """Tell whether writing from right to left is mixed as RFC 3454 6 forbids."""
    if not any(map(stringprep.in_table_d1, text)):
        return False
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not ends or any(map(stringprep.in_table_d2, text))


def _mac(key: bytes, octets: bytes) -> bytes:
    return hmac.digest(key, octets, "sha256")


def _text(message: bytes) -> str:
    if len(message) > _LONGEST:
        raise ScramTrouble(f"the server says more than {_LONGEST} octets")
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise ScramTrouble("the server's challenge is not UTF-8") from None


def _octets(text: str) -> bytes:
    """Return what base64 stands for; nothing if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
