# SPDX-License-Identifier: Apache-2.0
"""What is stored becomes what goes over the wire.

Lines end in CR LF and in nothing else: a bare LF or CR that one server takes
for a line end and the next does not is how mail is smuggled into mail.  So
each is made a CR LF.  A dot that begins a line is doubled (RFC 5321 4.5.2).
"""

from collections.abc import Iterable, Iterator

DOT = b".\r\n"


def wire_form(content: bytes) -> bytes:
    """Return a whole message with its final dot."""
    octets = canonical(content)
    if b"\n." in octets:
        octets = octets.replace(b"\n.", b"\n..")
    if octets.startswith(b"."):
        octets = b"." + octets
    if octets and not octets.endswith(b"\n"):
        octets += b"\r\n"
    return octets + DOT


def undotted(octets: bytes) -> bytes:
    """Return what ``wire_form`` was made of, with its line ends, without the dots."""
    plain = octets[: -len(DOT)].replace(b"\n..", b"\n.")
    return plain[1:] if plain.startswith(b".") else plain


def wire_blocks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same, block by block; the last one ends with the final dot."""
    line_begins, held = True, b""
    for block in filter(None, blocks):
        octets, held = held + block, b""
        if octets.endswith(b"\r"):  # its LF may be the next block's first octet
            octets, held = octets[:-1], b"\r"
        octets = canonical(octets)
        if not octets:
            continue
        if line_begins and octets.startswith(b"."):
            octets = b"." + octets
        yield octets.replace(b"\n.", b"\n..")
        line_begins = octets.endswith(b"\n")
    yield DOT if line_begins and not held else b"\r\n" + DOT


def canonical(octets: bytes) -> bytes:
    """Return octets in which each line ends in CR LF, whatever it ended in."""
    if b"\r" in octets:
        pairs = octets.count(b"\r\n")
        if pairs == octets.count(b"\r") == octets.count(b"\n"):
            return octets
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return octets.replace(b"\n", b"\r\n")
