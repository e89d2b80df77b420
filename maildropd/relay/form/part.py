# SPDX-License-Identifier: Apache-2.0
"""What the header of a message, or of one of its parts, says of what follows.

Strict: two readers who differ in where a part ends would see two messages in
one.  What is not plain is ``Odd``, and is not touched.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

_FIELD = re.compile(rb"([!-9;-~]+):")
_TOKEN = rb"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+"
_MEDIA = re.compile(rb"\s*(%s/%s)\s*(;|\Z)" % (_TOKEN, _TOKEN))
_PARAMETER = re.compile(
    rb"\s*(%s)\s*=\s*([^\s;\"()]+|\"(?:[^\"\\]|\\.)*+\")\s*(?:;|\Z)" % _TOKEN, re.DOTALL
)
_WORD = re.compile(rb"\s*([0-9A-Za-z-]+)\s*\Z")
_FIELDS_LIMIT = 25_000
_NO_MEDIA = ("", "unknown")  # nothing was said; what was said is not understood
_PLAIN = frozenset(("", "7bit", "8bit", "binary"))
_SIGNATURES = frozenset(
    (
        b"dkim-signature",
        b"domainkey-signature",
        b"arc-message-signature",
    )
)


class Odd(Exception):
    """It is not of a form that all readers take for the same."""


class Kind(Enum):
    """What is behind a header."""

    LEAF = auto()  # octets that may be encoded
    MULTIPART = auto()
    MESSAGE = auto()  # another header, and what is behind it
    SEALED = auto()  # octets that no encoding may touch


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One header, understood."""

    number: int
    header: bytes  # with the empty line that ends it, if there is one
    kind: Kind
    media: str  # "text/plain", or "" where nothing is said
    encoding: str  # the Content-Transfer-Encoding; "" where nothing is said
    boundary: bytes = b""
    is_message: bool = False  # rather than a part of one
    is_inside: bool = False  # of a multipart
    seal: str = ""  # why it must not be changed, if so


def part(number: int, header: bytes, above: Part | None) -> Part:
    """Understand a header; raise ``Odd``."""
    values = _of_interest(raw_fields(header))
    is_message = above is None or above.kind is Kind.MESSAGE
    default = b"message/rfc822" if _is_digest(above) else b""
    said = _single(values, b"content-type", default)
    found = _MEDIA.match(said)
    media = found[1].decode("ascii").lower() if found else _NO_MEDIA[bool(said)]
    encoding = _encoding(_single(values, b"content-transfer-encoding", b""))
    boundary = _boundary(said[found.end() :]) if found else b""
    return Part(
        number=number,
        header=header,
        kind=_kind(media, encoding, boundary),
        media=media,
        encoding=encoding,
        boundary=boundary,
        is_message=is_message,
        is_inside=_is_inside(above),
        seal=_seal(above, values if is_message else {}),
    )


def raw_fields(header: bytes) -> list[bytes]:
    """Return the fields of a header, each with its folds and its end."""
    starts, at = [], 0
    for line in header.splitlines(keepends=True):
        if _FIELD.match(line):
            starts.append(at)
        elif line == b"\r\n":
            break
        elif not (line.startswith((b" ", b"\t")) and starts):
            raise Odd("a line of a header is no field")
        at += len(line)
        if len(starts) > _FIELDS_LIMIT:
            raise Odd(f"a header has more than {_FIELDS_LIMIT} fields")
    ends = [*starts[1:], at]
    # Slices: one field may have a million folds, and a sum would copy each time.
    return [header[start:end] for start, end in zip(starts, ends, strict=False)]


def field_name(field: bytes) -> bytes:
    """Return a field's name in lower case."""
    return field.partition(b":")[0].lower()


def _of_interest(fields: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for field in fields:
        name = field_name(field)
        if name.startswith(b"content-") or name in _SIGNATURES:
            found.setdefault(name, []).append(field.partition(b":")[2])
    return found


def _single(values: dict[bytes, list[bytes]], name: bytes, default: bytes) -> bytes:
    said: Sequence[bytes] = values.get(name, [default])
    if len(said) > 1:
        raise Odd(f"there are two fields {name.decode('ascii')}")
    return said[0].replace(b"\r\n", b"").strip()


def _is_inside(above: Part | None) -> bool:
    return above is not None and (above.kind is Kind.MULTIPART or above.is_inside)


def _is_digest(above: Part | None) -> bool:
    return above is not None and above.media == "multipart/digest"


def _encoding(said: bytes) -> str:
    found = _WORD.match(said)
    if found:
        return found[1].decode("ascii").lower()
    return "unknown" if said else ""


def _boundary(said: bytes) -> bytes:
    """Return the boundary, or nothing if the parameters are not plain ones."""
    boundary, at = b"", 0
    while at < len(said):
        found = _PARAMETER.match(said, at)
        if not found:
            return b""
        if found[1].lower() == b"boundary":
            if boundary or b"\\" in found[2]:
                return b""
            boundary = found[2].strip(b'"').rstrip()
        at = found.end()
    return boundary if boundary.isascii() else b""


def _kind(media: str, encoding: str, boundary: bytes) -> Kind:
    """RFC 2045 6.4: what has parts is not encoded as a whole."""
    family = media.partition("/")[0]
    if family not in ("multipart", "message", "unknown"):
        return Kind.LEAF
    if encoding not in _PLAIN or family == "unknown":
        return Kind.SEALED
    if family == "multipart":
        return Kind.MULTIPART if boundary else Kind.SEALED
    return Kind.MESSAGE if media == "message/rfc822" else Kind.SEALED


def _seal(above: Part | None, values: dict[bytes, list[bytes]]) -> str:
    if above is not None and above.seal:
        return above.seal
    if above is not None and above.media == "multipart/signed":
        return "it is signed (multipart/signed)"
    for name in sorted(_SIGNATURES.intersection(values)):
        return f"it is signed ({name.decode('ascii')})"
    return ""
