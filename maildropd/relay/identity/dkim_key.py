# SPDX-License-Identifier: Apache-2.0
"""Private keys for DKIM: RSA in PEM, Ed25519 in PEM or in base64 alone.

A key is read again when its file is another one, so that it can be replaced
without a restart.
"""

import base64
import binascii
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nacl.signing
from dkim.crypto import UnparsableKeyError, parse_private_key

from maildropd.config.dkim import DkimConfig
from maildropd.host import credentials
from maildropd.host.credentials import SecretUnavailable
from maildropd.relay.identity.der import Malformed, children, element

RSA = b"rsa-sha256"
ED25519 = b"ed25519-sha256"

_FEWEST = 1024  # bits (RFC 8301 section 3.2)
_PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s(.*?)-----END", re.DOTALL)
_ED25519 = "2b6570"  # 1.3.101.112 (RFC 8410)
_RSA = "2a864886f70d010101"  # rsaEncryption
_SEED = 32  # octets


class NoKey(Exception):
    """There is no key, or none that may be used; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, as the library of DKIM takes it."""

    algorithm: bytes
    private: Any = field(repr=False)


class KeyFile:
    """Where a key is; used by many threads at once."""

    def __init__(self, config: DkimConfig) -> None:
        """Take its place; it is read when the first message needs it."""
        self._file = config.key_file
        self._credential = config.real_credential
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._key: Key | None = None

    def key(self) -> Key:
        """Return it as it is now; raise ``NoKey``."""
        try:
            path = self._file or credentials.path_of(self._credential)
            with self._lock:
                stamp = _stamp(path)
                if self._key is None or stamp != self._stamp:
                    self._key, self._stamp = _understood(self._read()), stamp
                return self._key
        except SecretUnavailable as error:
            raise NoKey(str(error)) from error
        except NoKey as error:
            raise NoKey(f"{self._file or self._credential}: {error}") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise NoKey(f"{self._file or self._credential}: {why}") from error

    def _read(self) -> bytes:
        if self._file:
            return credentials.key_of_file(self._file)
        return credentials.key_of_service(self._credential)


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_mode,
        found.st_uid,
    )


def _understood(octets: bytes) -> Key:
    """Return the key that octets are.  No error shows any of them."""
    pem = _PEM.search(octets)
    if pem is None:
        return _ed25519(_decoded(octets))
    der = _decoded(pem[1])
    name, inner = _unwrapped(der)
    if name == _ED25519:
        return _ed25519(inner)
    return _rsa(inner if name == _RSA else der)


def _decoded(octets: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(octets.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NoKey("is no private key in PEM, nor one of Ed25519") from None


def _unwrapped(octets: bytes) -> tuple[str, bytes]:
    """Return of PKCS #8 what kind of key is in it, and the key."""
    try:
        _, algorithm, wrapped, *_ = children(element(octets))
        name = children(algorithm)[0].octets.hex()
        inner = wrapped.octets
        return name, element(inner).octets if name == _ED25519 else inner
    except (Malformed, ValueError, IndexError):
        return "", b""  # the library may know what it is


def _ed25519(seed: bytes) -> Key:
    if len(seed) != _SEED:
        raise NoKey("is no private key in PEM, nor one of Ed25519")
    return Key(algorithm=ED25519, private=nacl.signing.SigningKey(seed))


def _rsa(octets: bytes) -> Key:
    parse: Callable[[bytes], dict[str, int]] = parse_private_key
    try:
        found = parse(octets)
        bits = int(found["modulus"]).bit_length()
    except (UnparsableKeyError, LookupError, ValueError, TypeError):
        raise NoKey("is no RSA key that can be read (is it encrypted?)") from None
    if bits < _FEWEST:
        raise NoKey(f"has {bits} bits only (at least {_FEWEST}, better 2048)")
    return Key(algorithm=RSA, private=found)
