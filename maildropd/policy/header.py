# SPDX-License-Identifier: Apache-2.0
"""What is added to a header that lacks it; nothing else is touched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Protocol

from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import PermanentError
from maildropd.mail.message import fields
from maildropd.mail.reply import Reply
from maildropd.policy.fields import found, qualified, replaced, value
from maildropd.policy.lines import line_end, listed, named, octets

_ADDRESSES = frozenset(
    prefix + name
    for prefix in ("", "resent-")
    for name in ("from", "sender", "reply-to", "to", "cc")
)
_HOPS = 50


class Names(Protocol):
    """What is known of our own names; policy/names.py."""

    @property
    def domain(self) -> str:
        """What is added to bare names."""
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
    lines = [make(facts) for name, make in _MAKERS.items() if name not in names]
    end = line_end(header)
    return b"".join(octets(line, end) for line in lines) + header


def closed(header: bytes) -> bytes:
    """Add the empty line that ends a header, if it lacks it.

    Without it the reader decides where the header ends, and may find a From
    in what was text to us.
    """
    if header.endswith((b"\n\n", b"\n\r\n")) or header in (b"\n", b"\r\n"):
        return header
    end = line_end(header)
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


def with_field(header: bytes, name: str, words: tuple[str, ...]) -> bytes:
    """Put a field of a list before a header."""
    return octets(listed(name, words), line_end(header)) + header


def _received(facts: Facts) -> str:
    who = facts.submitter
    uid = "" if who.uid is None else f", from uid {who.uid}{'?' * who.surmised}"
    at = format_datetime(facts.now)
    return f"Received: by {facts.hostname} (maildropd{uid}) via {who.name}; {at}"


_MAKERS: Mapping[str, Callable[[Facts], str]] = {
    "received": _received,
    "date": lambda facts: f"Date: {format_datetime(facts.now)}",
    "message-id": lambda facts: f"Message-ID: <{facts.token}@{facts.hostname}>",
    "from": lambda facts: f"From: {named(facts.full_name, facts.author)}",
}
