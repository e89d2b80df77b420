# SPDX-License-Identifier: Apache-2.0
"""DKIM: the domain of the author vouches for a message (RFC 6376, RFC 8463).

The library makes header and signature; the body is hashed here, in pieces.
Imported only where there is a [dkim] section: the library is not needed else.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dkim
from dkim.canonicalization import CanonicalizationPolicy

from maildropd.config.dkim import DkimConfig
from maildropd.host.clock import Clock
from maildropd.mail.address import addresses
from maildropd.mail.errors import BadAddress, Malformed, RouteMisconfigured
from maildropd.mail.message import Field, fields
from maildropd.mail.reply import Reply
from maildropd.relay.identity.dkim_body import body_hash
from maildropd.relay.identity.dkim_key import Key, KeyFile, NoKey

_NAME = b"DKIM-Signature"
_RELAXED = b"relaxed/relaxed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    config: DkimConfig
    key: KeyFile


class DkimSigner:
    """Signs for several domains; see ``Signer`` for the contract."""

    def __init__(self, sections: Sequence[DkimConfig], clock: Clock) -> None:
        """Take the sections; keys are read when a message needs them."""
        self._clock = clock
        self._sections = [_Section(config=each, key=KeyFile(each)) for each in sections]

    def sign(self, header: bytes, body: Callable[[], Iterator[bytes]]) -> bytes:
        """Return a field for each section of the author's domain."""
        try:
            found = list(fields(header, 0, len(header)))
        except Malformed:
            return b""  # no verifier could make sense of it, either
        chosen = self._chosen(_domain(header, found))
        if not chosen:
            return b""
        hashed = base64.b64encode(body_hash(body()))
        pairs = [_pair(header, each) for each in found]
        return b"".join(self._signature(each, pairs, hashed) for each in chosen)

    def _chosen(self, domain: str) -> list[_Section]:
        """Return the sections of a domain; else of the nearest one above it."""
        labels = domain.split(".")
        for at in range(len(labels) - 1):
            name = ".".join(labels[at:])
            near = [
                each
                for each in self._sections
                if each.config.real_domain == name
                and (at == 0 or each.config.subdomains)
            ]
            if near:
                return near
        return []

    def _signature(
        self, section: _Section, pairs: Sequence[tuple[bytes, bytes]], hashed: bytes
    ) -> bytes:
        config = section.config
        try:
            key = section.key.key()
        except NoKey as error:
            why = f"[dkim {config.name}]: {error}"
            raise RouteMisconfigured(why, Reply(451, "4.7.5", why)) from error
        names = _names(config, pairs)
        tags = [
            (b"v", b"1"),
            (b"a", key.algorithm),
            (b"c", _RELAXED),
            (b"d", config.real_domain.encode("ascii")),
            (b"s", config.selector.encode("ascii")),
            (b"t", b"%d" % self._clock.wall().timestamp()),
            (b"h", b" : ".join(names)),
            (b"bh", hashed),
            (b"b", b"0" * 60),  # makes it begin a line of its own
        ]
        return _NAME + b": " + _sealed(tags, names, pairs, key)


def _sealed(
    tags: list[tuple[bytes, bytes]],
    names: Sequence[bytes],
    pairs: Sequence[tuple[bytes, bytes]],
    key: Key,
) -> bytes:
    maker = dkim.DKIM(signature_algorithm=key.algorithm, linesep=b"\r\n")
    maker.hasher = hashlib.sha256
    maker.headers = [list(pair) for pair in pairs]
    policy = CanonicalizationPolicy.from_c_value(_RELAXED)
    made: bytes = maker.gen_header(tags, names, policy, _NAME, key.private)
    return made


def _names(config: DkimConfig, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """Return what is signed: each field that is there, and one From more.

    A second From, put in on the way, would be what a reader is shown.
    """
    wanted = {name.lower().encode("ascii") for name in config.headers}
    names = [name.lower() for name, _ in pairs]
    return [*(name for name in names if name in wanted), b"from"]


def _pair(header: bytes, field: Field) -> tuple[bytes, bytes]:
    name = field.name.encode("ascii")
    return name, bytes(header[field.value : field.end])


def _domain(header: bytes, found: Sequence[Field]) -> str:
    """Return the domain of the author; nothing if that is not one only."""
    authors = [each for each in found if each.name == "from"]
    if len(authors) != 1:
        return ""
    [author] = authors
    try:
        names = {
            _in_dns(address.rpartition("@")[2])
            for address in addresses(header[author.value : author.end])
        }
    except BadAddress:
        return ""
    return names.pop() if len(names) == 1 else ""


def _in_dns(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
