# SPDX-License-Identifier: Apache-2.0
"""What is stored becomes what programs on this host read: lines end in LF.

The lines of its own above a message say what its envelope said (RFC 5321 4.4).
"""

import re
from collections.abc import Iterable, Iterator

from maildropd.mail.verp import sender_for
from maildropd.relay.base import Delivery

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_PART_OF_FROM = re.compile(rb">*F?r?o?m?\Z")


def return_path(delivery: Delivery, recipient: str = "") -> bytes:
    """Return the line that names the sender; to one recipient, his own."""
    sender = delivery.envelope.reverse_path
    if recipient:
        sender = sender_for(delivery.envelope, recipient)
    return field("Return-Path", f"<{sender or ''}>")


def field(name: str, value: str) -> bytes:
    """Return one line of a header; nothing in it begins another."""
    text = "".join(each if each.isprintable() else " " for each in value)
    return f"{name}: {text}\n".encode()


def unix_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the octets with LF in the place of each CR LF."""
    held = b""
    for block in blocks:
        octets, held = held + block, b""
        if octets.endswith(b"\r"):  # its LF may be the next block's first octet
            octets, held = octets[:-1], b"\r"
        if octets:
            yield octets.replace(b"\r\n", b"\n")
    if held:
        yield held


def mbox_form(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the octets so that no line is taken for the next message.

    Each line of From, however often it was quoted, is quoted once more; an empty
    line ends the message.
    """
    begins, held, last = True, b"", b""
    for block in filter(None, blocks):
        octets, held = held + block, b""
        at = octets.rfind(b"\n") + 1
        if (at or begins) and _PART_OF_FROM.match(octets, at):
            octets, held = octets[:at], octets[at:]
        if octets:
            yield _quoted(octets, begins=begins)
            begins, last = octets.endswith(b"\n"), octets[-1:]
    yield held + (b"\n" if last == b"\n" and not held else b"\n\n")


def _quoted(octets: bytes, *, begins: bool) -> bytes:
    if b"From " not in octets:
        return octets
    head, cut, rest = (b"", b"", octets) if begins else octets.partition(b"\n")
    return head + cut + _FROM.sub(rb">\1", rest)
