# SPDX-License-Identifier: Apache-2.0
"""Address lists as people and programs write them (RFC 5322 3.4 and 4.4).

Lenient in form, strict in effect: either every address of a list is found, or
``BadAddress`` names the piece that is none.  Nobody is dropped in silence.
A list may be megabytes long: it is read once, and never held in pieces.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from maildropd.mail.errors import BadAddress
from maildropd.mail.lexer import Token, shown, tokens

_SPEC = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
# What nearly all programs write, and what needs no parser: a bare address, or
# one behind a name.  Nothing here matches that the parser would take otherwise.
_PLAIN = re.compile(_SPEC)
_NAMED = re.compile(
    rf"""(?:"[^"\\\r\n\0]*"|[A-Za-z0-9 !#$%&'*+/=?^_`{{|}}~.-]*)<({_SPEC})>"""
)
_MARKED = re.compile(r'["(<>:;\[\\]')
_BETWEEN_COMMAS = re.compile("[^,]+")
_STRAY = re.compile(r"\0|\r(?!\n)|\n(?![ \t])")
_BLANKS = b" \t\r\n"
_DOT_STRING = re.compile(r'[^\x00-\x20"(),:;<>@\[\\\]\x7f]+')
_DOMAIN = re.compile(
    r"[A-Za-z0-9_\x80-\U0010ffff-]+(?:\.[A-Za-z0-9_\x80-\U0010ffff-]+)*"
    r"|\[[A-Za-z0-9.:_%-]+\]"  # no sign that means something elsewhere
)

# RFC 5321 4.5.3.1, in octets; a path has two more, its angle brackets.
_LOCAL_PART_LIMIT = 64
_DOMAIN_LIMIT = 255
_ADDRESS_LIMIT = 254
_WORDS_LIMIT = 1000  # of one address with its name
_NAMED_LIMIT = 254  # of the short way; the address in it is shorter
_SENDERS_LIMIT = 1000
_SHOWN = 200  # of a piece, in a complaint, which cuts it


class _Piece(NamedTuple):
    """What stands between two separators."""

    source: str  # the beginning of it, for a complaint
    tokens: Sequence[Token]


def addresses(octets: bytes | memoryview) -> Iterator[str]:
    """Yield the addresses of a list, in order, each as it is found.

    Groups, comments, display names, source routes and folds are understood
    and dropped.  A bare name (``root``) stays as it is.  Raise ``BadAddress``
    rather than skip or mend anything that might have been an address.
    """
    # A character for each octet: all that means something here is ASCII, and
    # one smiley would make four octets of each of a million others.
    text = str(_trimmed(octets), "latin-1")
    if _is_plain(text):
        yield text
        return
    if found := _NAMED.fullmatch(text) if len(text) <= _NAMED_LIMIT else None:
        yield found[1]
        return
    if stray := _STRAY.search(text):
        around = text[max(stray.start() - 30, 0) : stray.end() + 30]
        raise BadAddress(f"a line end or NUL within an address: {shown(around)}")
    text = text.replace("\r\n", "")
    text = text.replace("\n", "")
    pieces = _pieces(text) if _MARKED.search(text) else _simple_pieces(text)
    yield from map(_mailbox, pieces)


def parse_list(text: str) -> tuple[str, ...]:
    """Return the addresses of a list that is at hand as text."""
    return tuple(addresses(text.encode("utf-8", "surrogatepass")))


def parse_reverse_path(octets: bytes | memoryview) -> str | None:
    """Return the first address of a list, or None for ``<>`` and for nothing."""
    if bytes(_trimmed(octets)[:3]) == b"<>":
        return None
    # Only the first is needed, but the others may not be nonsense.
    found = tuple(islice(addresses(octets), _SENDERS_LIMIT + 1))
    if len(found) > _SENDERS_LIMIT:
        raise BadAddress(f"more than {_SENDERS_LIMIT} senders")
    return next(iter(found), None)


def unique(found: Iterable[str]) -> tuple[str, ...]:
    """Return each address once, in order; only domains ignore case."""
    once: dict[str, str] = {}
    for address in found:
        local_part, at, domain = address.rpartition("@")
        once.setdefault(local_part + at + domain.lower(), address)
    return tuple(once.values())


def _trimmed(octets: bytes | memoryview) -> memoryview:
    """Strip octets without a copy of them."""
    start, end = 0, len(octets)
    while start < end and octets[start] in _BLANKS:
        start += 1
    while start < end and octets[end - 1] in _BLANKS:
        end -= 1
    return memoryview(octets)[start:end]


def _is_plain(text: str) -> bool:
    return len(text) <= _ADDRESS_LIMIT and _PLAIN.fullmatch(text) is not None


def _simple_pieces(text: str) -> Iterator[_Piece | str]:
    """Split a list that has nothing but commas, as programs write it."""
    for part in _BETWEEN_COMMAS.finditer(text):
        address = part[0].strip(" \t")
        if _is_plain(address):
            yield address
        elif address:
            yield from _pieces(address)


def _pieces(text: str) -> Iterator[_Piece]:
    """Split a list where a comma or semicolon separates; leave groups' names out."""
    words: list[Token] = []
    start, in_angle = 0, False
    for token, end in tokens(text):
        kind = token.kind
        in_angle = kind == "<" or (in_angle and kind != ">")
        if in_angle or kind not in ",;:":
            words.append(token)
            if len(words) > _WORDS_LIMIT:
                raise BadAddress(
                    f"no end of words: {shown(text[start : start + _SHOWN])}"
                )
            continue
        piece = _Piece(text[start : min(end - 1, start + _SHOWN)], words)
        if kind == ":":
            _check_prefix(piece)
        elif words:
            yield piece
        words, start = [], end
    if words:
        yield _Piece(text[start : start + _SHOWN], words)


def _check_prefix(piece: _Piece) -> None:
    """A colon ends a group's name or a source route, but never an address."""
    kinds = [token.kind for token in piece.tokens]
    if "@" in kinds and kinds[0] != "@":
        raise BadAddress(f"a colon after an address: {shown(piece.source)}")


def _mailbox(piece: _Piece | str) -> str:
    if isinstance(piece, str):
        return piece
    kinds = [token.kind for token in piece.tokens]
    if "<" not in kinds:
        # MaildropHost took "a@x>" for a@x, and it can mean nothing else.
        end = -1 if kinds[-1] == ">" else None
        return _addr_spec(piece, piece.tokens[:end])
    start = kinds.index("<")
    if kinds[-1] != ">" or kinds.count(">") > 1 or kinds.count("<") > 1:
        raise BadAddress(f"no single <address> at the end of {shown(piece.source)}")
    inner = piece.tokens[start + 1 : -1]
    if inner and inner[0].kind == "@":
        inner = _after_route(inner)
    address = _addr_spec(piece, inner)
    _check_phrase(piece, piece.tokens[:start], address)
    return address


def _after_route(tokens: Sequence[Token]) -> Sequence[Token]:
    """Drop ``@a,@b:`` (RFC 5321 appendix F.2)."""
    kinds = [token.kind for token in tokens]
    return tokens[kinds.index(":") + 1 :] if ":" in kinds else tokens


def _check_phrase(piece: _Piece, phrase: Sequence[Token], address: str) -> None:
    """An address for a display name may be a recipient whose comma is missing."""
    name = "".join(token.text for token in phrase)
    if "@" in (token.kind for token in phrase) and name.strip("'") != address:
        raise BadAddress(f"two addresses without a comma: {shown(piece.source)}")


def _addr_spec(piece: _Piece, tokens: Sequence[Token]) -> str:
    kinds = [token.kind for token in tokens]
    at = kinds.index("@") if "@" in kinds else len(tokens)
    local_part = _local_part(tokens[:at])
    domain = "".join(token.text for token in tokens[at + 1 :]).removesuffix(".")
    is_bare = at == len(tokens) and "quoted" not in kinds
    if _is_too_long(local_part, domain):
        raise BadAddress(f"longer than RFC 5321 allows: {shown(piece.source)}")
    if not local_part or not (is_bare or _DOMAIN.fullmatch(domain)):
        raise BadAddress(f"not an address: {shown(piece.source)}")
    if kinds[at + 1 :] != ["literal"] and _are_apart(kinds[at + 1 :]):
        raise BadAddress(f"blanks within an address: {shown(piece.source)}")
    address = local_part if is_bare else f"{local_part}@{domain}"
    if not address.isprintable():
        raise BadAddress(f"unprintable octets in the address {shown(piece.source)}")
    return address


def _local_part(tokens: Sequence[Token]) -> str:
    """Return the local part in its plainest form, or "" if it is none."""
    kinds = [token.kind for token in tokens]
    if not set(kinds) <= {"atom", "quoted", "."} or _are_apart(kinds):
        return ""
    if "quoted" not in kinds:
        name = "".join(token.text for token in tokens)
        return name if _DOT_STRING.fullmatch(name) else ""
    name = "".join(_unquoted(token) for token in tokens)
    if name and _DOT_STRING.fullmatch(name) and "" not in name.split("."):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _unquoted(token: Token) -> str:
    if token.kind != "quoted":
        return token.text
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])


def _are_apart(kinds: Sequence[str]) -> bool:
    """Tell whether two words stand side by side, with no dot between them."""
    return any("." not in pair for pair in pairwise(kinds))


def _is_too_long(local_part: str, domain: str) -> bool:
    local = len(local_part.encode("utf-8", "surrogatepass"))
    other = len(domain.encode("utf-8", "surrogatepass"))
    return (
        local > _LOCAL_PART_LIMIT
        or other > _DOMAIN_LIMIT
        or local + 1 + other > _ADDRESS_LIMIT
    )
