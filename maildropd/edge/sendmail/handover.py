# SPDX-License-Identifier: Apache-2.0
"""From a command line and what was on standard input to a draft."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from maildropd.edge.entry import Gate
from maildropd.edge.parcel import Parcel, header_of
from maildropd.edge.sendmail.arguments import Invocation
from maildropd.mail.address import addresses, parse_reverse_path, unique
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import DEFAULT_TERMS, Submitter, Terms
from maildropd.mail.errors import (
    BadAddress,
    MailError,
    Malformed,
    PermanentError,
    TooManyRecipients,
    TransientError,
)
from maildropd.mail.header_envelope import FOR_US, HeaderEnvelope
from maildropd.mail.message import without

_MBOX_LINE = re.compile(rb">?From [^\n]*(?:\n|\Z)")


class NobodyNamed(Malformed):
    """No recipient was named at all."""


def draft(found: Invocation, parcel: Parcel, gate: Gate, submitter: Submitter) -> Draft:
    """Return what is to be sent; raise ``MailError``."""
    head, end = header_of(parcel, _MBOX_LINE)
    mbox_line = _MBOX_LINE.match(head)
    start = mbox_line.end() if mbox_line else 0
    said = HeaderEnvelope(head, start, end)
    named = written(found.recipients)
    if found.from_header:
        named = (*named, *_limited(said.recipients(), gate, submitter))
    if not named:
        how = "the header names none" if found.from_header else "try -t, or name one"
        raise NobodyNamed(f"no recipient: {how}")
    terms = Terms(notify=found.notify) if found.notify else DEFAULT_TERMS
    header = b"".join(without(head[:end], start, said.fields, FOR_US))
    return Draft(
        reverse_path=_reverse_path(found, gate, submitter),
        recipients=tuple(
            Recipient(forward_path=path, terms=terms) for path in unique(named)
        ),
        header=header,
        body=parcel.after(end),
        size=parcel.size,
        full_name=found.full_name,
        ret=found.ret,
        envid=found.envid,
        verp=found.verp,
    )


def exit_code(error: MailError) -> int:
    """Return what sysexits.h has for an error."""
    if isinstance(error, NobodyNamed):
        return os.EX_USAGE
    if isinstance(error, Malformed):  # a bad address, too
        return os.EX_DATAERR
    if error.reply.status.startswith(("4.7", "5.7")):
        return os.EX_TEMPFAIL if error.reply.transient else os.EX_NOPERM
    if isinstance(error, TransientError):
        return os.EX_TEMPFAIL
    if isinstance(error, PermanentError):
        return os.EX_UNAVAILABLE
    return os.EX_SOFTWARE


def _reverse_path(found: Invocation, gate: Gate, submitter: Submitter) -> str | None:
    if found.reverse_path is None:
        return gate.own_address(submitter)
    if not found.reverse_path:
        return None
    return parse_reverse_path(_octets(found.reverse_path))


def written(words: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in words of a command line; raise ``BadAddress``."""
    return tuple(address for word in words for address in addresses(_octets(word)))


def _limited(found: Iterator[str], gate: Gate, submitter: Submitter) -> Iterator[str]:
    """Yield no more than a message may have: a header of 4 MiB names a million."""
    limit = gate.recipient_limit(submitter)
    for number, address in enumerate(found):
        if number >= limit:
            raise TooManyRecipients(f"more than {limit} recipients")
        yield address


def _octets(word: str) -> bytes:
    octets = word.encode("utf-8", "surrogateescape")
    if any(sign in octets for sign in b"\r\n\0"):
        raise BadAddress("a line end or NUL within an address")
    with suppress(UnicodeDecodeError):
        octets.decode("utf-8")
        return octets
    raise BadAddress("an address is not UTF-8")
