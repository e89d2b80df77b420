# SPDX-License-Identifier: Apache-2.0
"""One return address for each recipient of a list (VERP).

``bounces@lists.example.org`` and ``user@example.net`` become
``bounces+user=example.net@lists.example.org``: whatever comes back says by
its address alone whom it is about.  The form is Postfix's, which escapes
nothing: where a list's own name holds the first delimiter, only who knows
the list can take an address apart for certain.
"""

import re
from typing import NamedTuple

from maildropd.mail.envelope import Envelope

DELIMITERS = "+="
_DELIMITERS = re.compile(r"[-+=]{2}")
_DOT_STRING = re.compile(r'[^\x00-\x20"(),:;<>@\[\\\]\x7f]+')
_ADDRESS_LIMIT = 254  # octets (RFC 5321 4.5.3.1.3)


class Origin(NamedTuple):
    """Whom an address that came back is about."""

    sender: str  # the address of the list
    recipient: str


def is_delimiters(text: str) -> bool:
    """Tell whether these are two delimiters: each of - + and =."""
    return _DELIMITERS.fullmatch(text) is not None


def encode(sender: str, recipient: str, delimiters: str = DELIMITERS) -> str:
    """Return the address that bounces of one recipient come back to.

    It may have more than the 64 octets of a local part, as Postfix's have;
    beyond what a path can be, the sender stays as he is.
    """
    name, _, domain = sender.rpartition("@")
    user, _, host = recipient.rpartition("@")
    name, user = _plain(name), _plain(user)
    if not name or not user:  # to nobody in particular
        return sender
    first, second = delimiters[0], delimiters[1]
    local_part = f"{name}{first}{user}{second}{host}"
    address = f"{_quoted(local_part)}@{domain}"
    too_long = len(address.encode("utf-8", "surrogatepass")) > _ADDRESS_LIMIT
    return sender if too_long else address


def decode(
    address: str, delimiters: str = DELIMITERS, sender: str = ""
) -> Origin | None:
    """Return list and recipient of an expanded address; None if it is none.

    With the list's own address as ``sender``, nothing has to be guessed of
    where its name ends; an address of another list is none then.
    """
    first, second = delimiters[0], delimiters[1]
    local_part, at, domain = address.rpartition("@")
    local_part = _plain(local_part)
    name, found, rest = local_part.partition(first)
    if sender:
        known, _, host = sender.rpartition("@")
        name = _plain(known)
        found = first if local_part.startswith(name + first) else ""
        rest = local_part.removeprefix(name + first)
        found = found if host.lower() == domain.lower() else ""
    user, _, host = rest.rpartition(second)
    whole = at and name and found and user and host
    if not whole or not address.isprintable():
        return None
    return Origin(f"{_quoted(name)}@{domain}", f"{_quoted(user)}@{host}")


def sender_for(envelope: Envelope, recipient: str) -> str | None:
    """Return where a message's bounce about this recipient goes to."""
    if not envelope.verp or not envelope.reverse_path:
        return envelope.reverse_path
    return encode(envelope.reverse_path, recipient, envelope.verp)


def _plain(local_part: str) -> str:
    """Take the quotes off, if it has any: between delimiters they mean nothing."""
    if len(local_part) > 1 and local_part[0] == local_part[-1] == '"':
        return re.sub(r"\\(.)", r"\1", local_part[1:-1])
    return local_part


def _quoted(local_part: str) -> str:
    """Put quotes round what needs them (RFC 5321 4.1.2)."""
    if _DOT_STRING.fullmatch(local_part) and "" not in local_part.split("."):
        return local_part
    return '"' + re.sub(r'(["\\])', r"\\\1", local_part) + '"'
