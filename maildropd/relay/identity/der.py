# SPDX-License-Identifier: Apache-2.0
"""As much of DER (X.690) as it takes to find two things in a certificate."""

from dataclasses import dataclass

_LONG = 0x80


class Malformed(Exception):
    """It is not DER, or not the part of it that is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A value with its tag."""

    tag: int
    octets: bytes


def element(octets: bytes) -> Element:
    """Return the one element that octets are; raise ``Malformed``."""
    found, rest = _first(octets)
    if rest:
        raise Malformed("something follows the end")
    return found


def children(parent: Element) -> list[Element]:
    """Return the elements that one is made of."""
    found, rest = [], parent.octets
    while rest:
        one, rest = _first(rest)
        found.append(one)
    return found


def _first(octets: bytes) -> tuple[Element, bytes]:
    if len(octets) < 2:
        raise Malformed("it ends too early")
    tag, length, start = octets[0], octets[1], 2
    if length & _LONG:
        start += length - _LONG
        length = int.from_bytes(octets[2:start])
        if not 3 <= start <= 6:
            raise Malformed("its length is odd")
    end = start + length
    if end > len(octets):
        raise Malformed("it ends too early")
    return Element(tag=tag, octets=octets[start:end]), octets[end:]
