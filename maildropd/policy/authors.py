# SPDX-License-Identifier: Apache-2.0
"""Who wrote a message, by its header; and how that is put right.

What is kept of the old fields is what we found in them.  What a submitter
wrote as X-Original-From or X-Original-Sender is taken out then: nobody could
tell it from ours.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Protocol
from unicodedata import normalize

from maildropd.mail.errors import BadAddress
from maildropd.mail.message import Field
from maildropd.policy.fields import addresses_in, found, listed, replaced, value
from maildropd.policy.lines import line_end, octets
from maildropd.policy.names import parts

_KEPT: Mapping[str, bytes] = {
    "from": b"X-Original-From:",
    "sender": b"X-Original-Sender:",
}
_FORGED = frozenset(("x-original-from", "x-original-sender"))
# A name that cannot be anything else; above all, no second address.
_WORD = rb'(?:"[^"\\\x00-\x1f\x7f]+"|[^"(),:;<>@\[\\\]\x00-\x20\x7f]+)'
_PHRASE = re.compile(rb"%(word)b(?: %(word)b)*" % {b"word": _WORD})
_LONGEST = 300  # octets of it
_BLANKS = re.compile(rb"[ \t\r\n]+")


class Names(Protocol):
    """What is known of our own names; policy/names.py."""

    def is_local(self, address: str) -> bool:
        """Tell whether an address is at one of our names."""
        ...


def authors(header: bytes) -> tuple[str, ...]:
    """Return every address in From and Sender; of a field that has none, its text."""
    return tuple(
        address
        for field in found(header, _KEPT)
        for address in addresses_in(header, field)
    )


def with_author(header: bytes, address: str) -> bytes:
    """Return a header from this author, with the old ones kept beside.

    Their addresses stand in X-Original-From and X-Original-Sender, and where
    there is no Reply-To, answers go to them.
    """
    answers = not any(found(header, {"reply-to"}))

    def rewritten(field: Field, *, is_first: bool) -> bytes:
        kept = _kept(header, field)
        if field.name == "sender" or not is_first:
            return kept
        answer = _answer(header, field) if answers else b""
        return _from(header, field, address) + kept + answer

    return _rewritten(header, rewritten)


def masked(header: bytes, rewrite_from: str, names: Names) -> bytes:
    """Replace From and Sender that have an author at one of our names.

    The old ones are kept beside, but answers go to the mask.
    """

    def rewritten(field: Field, *, is_first: bool) -> bytes | None:
        mask = _mask(header, field, rewrite_from, names)
        if mask is None:
            return None
        kept = _kept(header, field)
        if not is_first:
            return kept
        if field.name == "sender":
            return octets(f"Sender: {mask}", line_end(header)) + kept
        return _from(header, field, mask) + kept

    return _rewritten(header, rewritten)


def masqueraded(address: str, rewrite_from: str, names: Names) -> str:
    """Return what stands for an address at our names."""
    if not rewrite_from or not names.is_local(address):
        return address
    if rewrite_from.startswith("@"):
        return parts(address)[0] + rewrite_from
    return rewrite_from


class _Rewrite(Protocol):
    def __call__(self, field: Field, *, is_first: bool) -> bytes | None: ...


def _rewritten(header: bytes, new: _Rewrite) -> bytes:
    """Replace each From and Sender that ``new`` has something for."""
    changes: list[tuple[Field, bytes]] = []
    seen: set[str] = set()
    for field in found(header, {*_KEPT, *_FORGED}):
        if field.name in _FORGED:
            changes.append((field, b""))
            continue
        rewritten = new(field, is_first=field.name not in seen)
        if rewritten is not None:
            seen.add(field.name)
            changes.append((field, rewritten))
    return replaced(header, changes) if seen else header


def _mask(header: bytes, field: Field, rewrite_from: str, names: Names) -> str | None:
    with suppress(BadAddress):
        for author in filter(names.is_local, listed(header, field)):
            return masqueraded(author, rewrite_from, names)
    return None


def _kept(header: bytes, field: Field) -> bytes:
    return _KEPT[field.name] + _line(header, field)


def _answer(header: bytes, field: Field) -> bytes:
    """Return a Reply-To with the old author, if somebody can be answered."""
    with suppress(BadAddress):
        if listed(header, field):
            return b"Reply-To:" + _line(header, field)
    return b""


def _line(header: bytes, field: Field) -> bytes:
    old = value(header, field)
    return old if old.endswith(b"\n") else old + line_end(header)


def _from(header: bytes, field: Field, address: str) -> bytes:
    """Keep the name of the author, unless it is an address: readers show no other."""
    end = line_end(header)
    old = _BLANKS.sub(b" ", value(header, field))
    name = old.rpartition(b"<")[0].strip()
    is_name = len(name) <= _LONGEST and _PHRASE.fullmatch(name)
    if is_name and "@" not in _read(name):
        return b"From: %b <%b>" % (name, address.encode()) + end
    return octets(f"From: {address}", end)


def _read(name: bytes) -> str:
    """Return a name as a reader sees it; "@" if that is not certain."""
    text = name.decode("utf-8", "replace")
    try:
        text = str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return "@"
    return normalize("NFKC", text)
