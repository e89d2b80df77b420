# SPDX-License-Identifier: Apache-2.0
"""Address fields of a header, looked at and changed in place.

What is not meant to change stays octet by octet: names, comments, folds.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from maildropd.mail.address import addresses
from maildropd.mail.errors import BadAddress
from maildropd.mail.lexer import Token, tokens
from maildropd.mail.message import Field, fields

# A list in which every address has a domain, as nearly all are written.
_COMPLETE = re.compile(rb"[^@,;:<>()\"\\\[\]]*<?[^\s@,;:<>()\"\\\[\]]+@[^@,;:()\"\\]*")


def found(header: bytes, names: Iterable[str]) -> Iterator[Field]:
    """Yield the fields of these names; the header is one that ``split`` found."""
    wanted = frozenset(names)
    return (each for each in fields(header, 0, len(header)) if each.name in wanted)


def value(header: bytes, field: Field) -> bytes:
    """Return what stands behind a field's colon."""
    return header[field.value : field.end]


def addresses_in(header: bytes, field: Field) -> tuple[str, ...]:
    """Return the addresses of a field; of one that has no right form, its text.

    What nobody can read is no address of anybody.
    """
    octets = value(header, field)
    try:
        return tuple(addresses(octets))
    except BadAddress:
        return (octets.strip().decode("latin-1")[:200],)


def replaced(header: bytes, changes: Iterable[tuple[Field, bytes]]) -> bytes:
    """Return a header with whole fields replaced; changes are in its order."""
    pieces, at = [], 0
    for field, octets in changes:
        pieces += [header[at : field.start], octets]
        at = field.end
    return b"".join([*pieces, header[at:]])


def qualified(octets: bytes, domain: str) -> bytes:
    """Return a field's value with a domain added to each bare name."""
    if all(_COMPLETE.fullmatch(part) for part in octets.split(b",")):
        return octets
    # A character for each octet, a fold for blanks: every place stays the same.
    text = octets.decode("latin-1").replace("\r\n", "  ").replace("\n", " ")
    try:
        places = list(_bare_ends(text))
    except BadAddress:
        return octets
    added = f"@{domain}".encode()
    pieces, at = [], 0
    for place in places:
        pieces += [octets[at:place], added]
        at = place
    return b"".join([*pieces, octets[at:]])


def _bare_ends(text: str) -> Iterator[int]:
    """Yield where the domain of each bare name is missing."""
    piece: list[tuple[Token, int]] = []
    in_angle = False
    for token, end in tokens(text):
        kind = token.kind
        in_angle = kind == "<" or (in_angle and kind != ">")
        if in_angle or kind not in ",;:":
            piece.append((token, end))
            continue
        if kind != ":":  # else it was the name of a group
            yield from _bare_end(piece)
        piece = []
    yield from _bare_end(piece)


def _bare_end(piece: list[tuple[Token, int]]) -> Iterator[int]:
    kinds = [token.kind for token, _ in piece]
    if "<" in kinds and kinds[-1:] == [">"]:
        inner = piece[kinds.index("<") + 1 : -1]
    else:
        inner = piece
    words = [token.kind for token, _ in inner]
    if words and set(words) <= {"atom", "quoted", "."} and _is_one_word(words):
        yield inner[-1][1]


def _is_one_word(kinds: list[str]) -> bool:
    """Two words without a dot between them are a name, and no address."""
    return all("." in pair for pair in pairwise(kinds))
