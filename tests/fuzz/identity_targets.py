# SPDX-License-Identifier: Apache-2.0
"""What servers and endpoints say to our proof, and what we vouch for.

Nothing of it may be believed without reason, nor end in a surprise.
"""

import base64
import http.client
import math
import re
import socket
import tempfile
from pathlib import Path
from typing import cast

import dkim

from maildropd.config.dkim import DkimConfig
from maildropd.relay.identity import expiry, token_request
from maildropd.relay.identity.binding import end_point
from maildropd.relay.identity.dkim import DkimSigner
from maildropd.relay.identity.dkim_body import wire_lines
from maildropd.relay.identity.scram import (
    MOST,
    Binding,
    Keys,
    SaltedPassword,
    Scram,
    ScramTrouble,
)
from maildropd.relay.identity.signing import signature
from maildropd.relay.identity.token_answer import TokenTrouble, understood, usable
from maildropd.relay.identity.token_state import TokenState
from tests.fakes.clock import FakeClock
from tests.fakes.dkim_keys import ED25519, keys, record, resolver
from tests.fuzz.splits import chance, one_line, pieces

_SECRETS = ("open-sesame-of-the-day", "client-secret-of-ours")
_OBSOLETE = re.compile(rb"^[!-9;-~]+[ \t]+:", re.MULTILINE)  # RFC 5322 4.5
_HASHES = (0, 32, 48, 64)


class _Quick(SaltedPassword):
    """Counts nothing, and says how much it should have counted."""

    def _made(self, salt: bytes, iterations: int) -> Keys:
        assert salt
        assert 4096 <= iterations <= MOST
        return Keys(client=b"c" * 32, server=b"s" * 32)


def scram(octets: bytes) -> None:
    """A server that cannot sign is not believed, whatever it says; a line each."""
    first, _, last = octets.partition(b"\n")
    ours = Scram("ann", _Quick(_SECRETS[0]), Binding(), "n")
    ours.first()
    try:
        proof = ours.final(first)
        assert proof.startswith(b"c=biws,r=n")
        assert b"\n" not in proof
        ours.verify(last)
    except ScramTrouble as trouble:
        one_line(trouble)
    assert not ours.verified


class _Paper:
    """A socket from which these pieces come."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def settimeout(self, value: float) -> None:
        assert value

    def recv_into(self, buffer: memoryview) -> int:
        if not self._parts:
            return 0
        part = self._parts.pop(0)
        taken = part[: len(buffer)]
        if part[len(taken) :]:
            self._parts.insert(0, part[len(taken) :])
        buffer[: len(taken)] = taken
        return len(taken)


def answers(octets: bytes) -> None:
    """A token is one word, and what else an endpoint says tells no secret."""
    told: object = ""
    try:
        paper = cast("socket.socket", _Paper(pieces(octets, chance(octets))))
        status, body = token_request.response(paper, math.inf)
    except (TokenTrouble, OSError, ValueError, http.client.HTTPException):
        status, body = 200, octets
    try:
        found = understood("login.example", status, body, _SECRETS)
    except TokenTrouble as trouble:
        told = trouble
    else:
        assert usable(found.token)
        assert not found.refresh_token or usable(found.refresh_token)
        assert found.lives.total_seconds() > 0
    one_line(told)
    assert len(str(told)) < 400
    assert not any(secret in str(told).lower() for secret in _SECRETS)


def kept(octets: bytes) -> None:
    """A file of tokens that somebody spoiled is one that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.json"
        state = TokenState(path, ("here",), "first")
        path.write_bytes(octets.replace(b"ORIGIN", state.origin.encode()))
        found = state.load()
    assert usable(found.refresh_token)
    assert not found.token or (usable(found.token) and found.ends)


def certificates(octets: bytes) -> None:
    """What is no certificate has no end and binds nothing."""
    assert len(end_point(octets)) in _HASHES
    text = base64.encodebytes(octets).decode("ascii")
    expiry.not_after(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")


def signatures(octets: bytes) -> None:
    """What we vouch for is what arrives, to the library that verifies it."""
    config = DkimConfig(name="example.org", key_file=keys() / ED25519)
    signer = DkimSigner([config], FakeClock())
    fields = signature(signer, lambda: iter(pieces(octets, chance(octets))))
    if not fields:
        return
    assert fields.startswith(b"DKIM-Signature: ")
    assert fields.endswith(b"\r\n")
    assert not re.search(rb"[^\r]\n|\r[^\n]|\n[^ ]", fields)
    whole = fields + b"".join(wire_lines([octets]))
    known = resolver({"default._domainkey.example.org": record_of_key()})
    if _OBSOLETE.search(whole):
        return  # it takes that for no field, and others for one
    assert dkim.DKIM(whole).verify(dnsfunc=known)


def record_of_key() -> bytes:
    """Return what DNS has of the key, made once."""
    place = Path(tempfile.gettempdir()) / f"{keys().name}.record"
    if not place.exists():
        place.write_bytes(record(ED25519))
    return place.read_bytes()
