# SPDX-License-Identifier: Apache-2.0
"""What is added to a header that lacks it, and what is changed for its sender.

Nothing else is touched.  Whatever comes from a submitter and goes into a field
of ours has lost every character that could end that field.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Protocol

from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import PermanentError
from maildropd.mail.message import Field, fields
from maildropd.mail.reply import Reply
from maildropd.policy.fields import addresses_in, found, qualified, replaced, value

_AUTHORS = ("from", "sender")
_ADDRESSES = frozenset(
    prefix + name
    for prefix in ("", "resent-")
    for name in ("from", "sender", "reply-to", "to", "cc")
)
_KEPT: Mapping[str, bytes] = {
    "from": b"X-Original-From:",
    "sender": b"X-Original-Sender:",
}
_HOPS = 50
# A name that cannot be anything else; above all, no second address.
_WORD = r'(?:"[^"\\\x00-\x1f\x7f]{1,300}"|[^\s"(),.:;<>@\[\\\]\x00-\x1f\x7f]{1,300})'
_PHRASE = re.compile(rf"{_WORD}(?: {_WORD}){{0,20}}")
_FOLD = 900  # octets of one line of a field of ours


class Names(Protocol):
    """What is known of our own names; policy/names.py."""

    @property
    def domain(self) -> str:
        """What is added to bare names."""
        ...

    def is_local(self, address: str) -> bool:
        """Tell whether an address is at one of our names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the fields that may be missing are made of."""

    author: str
    full_name: str
    hostname: str
    submitter: Submitter
    now: datetime  # aware, in the host's own zone
    token: str  # that no other message has


class TooManyHops(PermanentError):
    """The message has been through so many hosts that it must be going round."""

    default = Reply(554, "5.4.6")


def complete(header: bytes, facts: Facts) -> bytes:
    """Add Date, Message-ID, From and Received where they are missing.

    Raise ``TooManyHops`` for a message that goes round.
    """
    names = [each.name for each in fields(header, 0, len(header))]
    if names.count("received") > _HOPS:
        raise TooManyHops(f"more than {_HOPS} Received fields: it goes round")
    lines = [text for name, text in _possible(facts) if name not in names]
    end = _line_end(header)
    return b"".join(line.encode("utf-8", "replace") + end for line in lines) + header


def closed(header: bytes) -> bytes:
    """Add the empty line that ends a header, if it lacks it.

    Without it the reader decides where the header ends, and may find a From
    in what was text to us.
    """
    if header.endswith((b"\n\n", b"\n\r\n")) or header in (b"\n", b"\r\n"):
        return header
    end = _line_end(header)
    return header + (b"" if header.endswith(b"\n") or not header else end) + end


def qualify(header: bytes, names: Names) -> bytes:
    """Add our domain to bare names in the fields of addresses."""
    changes = []
    for field in found(header, _ADDRESSES):
        old = value(header, field)
        new = qualified(old, names.domain)
        if new != old:
            changes.append((field, header[field.start : field.value] + new))
    return replaced(header, changes) if changes else header


def authors(header: bytes) -> tuple[str, ...]:
    """Return every address in From and Sender."""
    return tuple(
        address
        for field in found(header, _AUTHORS)
        for address in addresses_in(header, field)
    )


def with_author(header: bytes, address: str) -> bytes:
    """Return a header from this author, with the old ones kept beside.

    Their addresses stand in X-Original-From and X-Original-Sender, and where
    there is no Reply-To, answers go to them.
    """
    end = _line_end(header)
    names = [each.name for each in fields(header, 0, len(header))]
    # What is kept is what we found: earlier ones are somebody's claims.
    forged = {"x-original-from", "x-original-sender"}
    changes: list[tuple[Field, bytes]] = []
    is_first = True
    for field in found(header, {*_AUTHORS, *forged}):
        if field.name in forged:
            changes.append((field, b""))
            continue
        old = value(header, field)
        old = old if old.endswith(b"\n") else old + end
        octets = _KEPT[field.name] + old
        if field.name == "from" and is_first:
            is_first = False
            octets = _from(header, field, address).encode() + end + octets
            octets += b"" if "reply-to" in names else b"Reply-To:" + old
        changes.append((field, octets))
    return replaced(header, changes)


def masqueraded(address: str, rewrite_from: str, names: Names) -> str:
    """Return what stands for an address at our names."""
    if not rewrite_from or not names.is_local(address):
        return address
    if rewrite_from.startswith("@"):
        return address.rpartition("@")[0] + rewrite_from
    return rewrite_from


def with_field(header: bytes, name: str, words: tuple[str, ...]) -> bytes:
    """Put a field of a list before a header, in lines of a length that is allowed."""
    end = _line_end(header)
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + len(word) > _FOLD:
            lines.append(line)
            line = ""
        line += f" {_harmless(word)},"
    lines.append(line.removesuffix(","))
    return end.join(one.encode("utf-8", "replace") for one in lines) + end + header


def _possible(facts: Facts) -> Iterator[tuple[str, str]]:
    at = format_datetime(facts.now)
    who = facts.submitter
    uid = "" if who.uid is None else f", from uid {who.uid}{'?' * who.surmised}"
    yield (
        "received",
        f"Received: by {facts.hostname} (maildropd{uid}) via {who.name}; {at}",
    )
    yield "date", f"Date: {at}"
    yield "message-id", f"Message-ID: <{facts.token}@{facts.hostname}>"
    yield "from", f"From: {_named(facts.full_name, facts.author)}"


def _from(header: bytes, field: Field, address: str) -> str:
    """Keep the name of the author, unless it is an address: readers show no other."""
    old = value(header, field).decode("utf-8", "replace").strip()
    name = old.rpartition("<")[0].strip()
    if _PHRASE.fullmatch(name) and "@" not in name:
        return f"From: {name} <{address}>"
    return f"From: {address}"


def _named(name: str, address: str) -> str:
    name = _harmless(name)
    if not name:
        return address
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    encoded = Header(name, "utf-8", maxlinelen=75).encode(linesep="\n")
    return f"{encoded} <{address}>"


def _harmless(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_FOLD]


def _line_end(header: bytes) -> bytes:
    first = header.find(b"\n")
    return b"\r\n" if first > 0 and header[first - 1 : first] == b"\r" else b"\n"
