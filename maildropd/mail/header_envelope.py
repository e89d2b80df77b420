# SPDX-License-Identifier: Apache-2.0
"""The envelope that a message has in its own header (RFC 5322 3.6).

Bcc, Resent-Bcc and Return-Path speak to whoever sends the message: nobody but
their writer may see whom they name.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from maildropd.mail.address import addresses, parse_reverse_path
from maildropd.mail.errors import BadAddress
from maildropd.mail.message import Field, fields

FOR_US = frozenset({"bcc", "resent-bcc", "return-path"})
_TRACE = frozenset({"received", "return-path"})

_SENDER = ("sender", "from")
_RECIPIENTS = ("to", "cc", "bcc")
_RESENT = frozenset(
    f"resent-{name}" for name in (*_SENDER, *_RECIPIENTS, "date", "message-id")
)
_OF_INTEREST = _RESENT | _TRACE | {*_SENDER, *_RECIPIENTS}


class HeaderEnvelope:
    """What the header of one message says of its envelope."""

    def __init__(self, head: bytes, start: int, end: int) -> None:
        """Look through ``head[start:end]``; raise ``Malformed``."""
        self._head = head
        self.fields = [
            field for field in fields(head, start, end) if field.name in _OF_INTEREST
        ]
        self._block = _latest_resent(self.fields)

    def reverse_path(self) -> str | None:
        """Return Return-Path, else who sent or wrote it, else the null one."""
        return _reverse_path(self._head, self.fields, self._block)

    def recipients(self) -> Iterator[str]:
        """Yield everybody it is to, those in Bcc included; raise ``BadAddress``."""
        return _named(self._head, self.fields, self._block)


def _latest_resent(header: Sequence[Field]) -> Sequence[Field]:
    """Return the first block of Resent- fields (RFC 5322 3.6.6).

    It ends where a name comes again, or at a trace field: what lies below is
    an earlier journey, and its recipients have had their mail.
    """
    block: list[Field] = []
    for field in header:
        if field.name not in _RESENT:
            if block and field.name in _TRACE:
                break
        elif any(field.name == other.name for other in block):
            break
        else:
            block.append(field)
    return block


def _reverse_path(
    head: bytes, header: Sequence[Field], block: Sequence[Field]
) -> str | None:
    """Return-Path, else who sent it, else who wrote it; else the null one.

    In a message that is sent on, a Return-Path below the latest block was
    made when it arrived, and belongs to its first sender.
    """
    above = header[: header.index(block[0])] if block else header
    named = [*_called(("return-path",), above), *_chosen(_SENDER, header, block)]
    if not named:
        return None
    with _field(named[0]):
        return parse_reverse_path(_value(head, named[0]))


def _named(
    head: bytes, header: Sequence[Field], block: Sequence[Field]
) -> Iterator[str]:
    for field in _chosen(_RECIPIENTS, header, block):
        with _field(field):
            yield from addresses(_value(head, field))


def _chosen(
    names: Iterable[str], header: Sequence[Field], block: Sequence[Field]
) -> Iterator[Field]:
    """Yield the fields that count: with a Resent- block, only those in it."""
    if block:
        return _called([f"resent-{name}" for name in names], block)
    return _called(names, header)


def _called(names: Iterable[str], header: Sequence[Field]) -> Iterator[Field]:
    return (field for name in names for field in header if field.name == name)


def _value(head: bytes, field: Field) -> memoryview:
    return memoryview(head)[field.value : field.end]


@contextmanager
def _field(field: Field) -> Iterator[None]:
    """Say where the bad address stands."""
    try:
        yield
    except BadAddress as error:
        raise BadAddress(f"in the field {field.name}: {error}") from error
