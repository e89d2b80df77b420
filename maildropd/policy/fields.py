# SPDX-License-Identifier: Apache-2.0
"""Address fields of a header, looked at and changed in place.

What is not meant to change stays octet by octet: names, comments, folds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from maildropd.mail.address import addresses
from maildropd.mail.errors import BadAddress
from maildropd.mail.lexer import Token, tokens
from maildropd.mail.message import Field, fields

# One of a list in which every address has a domain, as nearly all are written.
# Nothing is given back: a word of four million octets is looked at once.
_SPECIAL = rb"@,;:<>()\"\\\[\]"
_COMPLETE = re.compile(
    rb"[^%(s)b]*+(?:<[^%(s)b]*+)?(?<=[^\s%(s)b])@[^@,;:<()\"\\]*+" % {b"s": _SPECIAL}
)
_AUTHORS = 1000  # more are nobody's list
_WORDS = 1000  # of one address with its name
_SHOWN = 200  # octets


def found(header: bytes, names: Iterable[str]) -> Iterator[Field]:
    """Yield the fields of these names; the header is one that ``split`` found."""
    wanted = frozenset(names)
    return (each for each in fields(header, 0, len(header)) if each.name in wanted)


def value(header: bytes, field: Field) -> bytes:
    """Return what stands behind a field's colon."""
    return header[field.value : field.end]


def listed(header: bytes, field: Field) -> tuple[str, ...]:
    """Return the addresses of a field; raise ``BadAddress``."""
    found = tuple(islice(addresses(value(header, field)), _AUTHORS + 1))
    if len(found) > _AUTHORS:
        raise BadAddress(f"more than {_AUTHORS} authors")
    return found


def addresses_in(header: bytes, field: Field) -> tuple[str, ...]:
    """Return the addresses of a field; of one that has none, its text.

    What nobody can read is no address of anybody.
    """
    with suppress(BadAddress):
        if found := listed(header, field):
            return found
    return (_shown(value(header, field)),)


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
            if len(piece) > _WORDS:
                raise BadAddress("no end of words")
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
    if _is_local_part([token.kind for token, _ in inner]):
        yield inner[-1][1]


def _is_local_part(kinds: Sequence[str]) -> bool:
    """Words with a dot between each two; without one they are a name."""
    return (
        len(kinds) % 2 == 1
        and set(kinds[::2]) <= {"atom", "quoted"}
        and set(kinds[1::2]) <= {"."}
    )


def _shown(octets: bytes) -> str:
    """Return what can stand in a line of a reply, or of a log.

    It says when it is cut: the beginning alone may look like an address.
    """
    octets = octets.strip(b" \t\r\n")
    text = octets[:_SHOWN].decode("utf-8", "replace")
    if len(octets) > _SHOWN:
        text += "..."
    return "".join(c if c.isprintable() else " " for c in text)
