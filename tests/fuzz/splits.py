# SPDX-License-Identifier: Apache-2.0
"""Octets cut into pieces: by chance, but for the same octets the same way."""

import random
import re
import zlib

_ANSWER = re.compile(rb"(?:...-[^\n]*\n)*[^\n]*(?:\n|\Z)", re.DOTALL)


def chance(octets: bytes) -> random.Random:
    """Return a source of chance that the octets decide."""
    return random.Random(zlib.crc32(octets))


def pieces(octets: bytes, source: random.Random, most: int = 8) -> list[bytes]:
    """Cut into up to so many pieces; none is empty."""
    if not octets:
        return []
    cuts = {source.randrange(1, len(octets) + 1) for _ in range(source.randrange(most))}
    ends = sorted(cuts | {len(octets)})
    return [octets[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def turns(octets: bytes, source: random.Random) -> list[bytes]:
    """Cut where a server waits for the next command; or, now and then, anywhere.

    A reply may still come in two packets.
    """
    if source.random() < 0.2:
        return pieces(octets, source, 12)
    cut: list[bytes] = []
    for answer in _ANSWER.findall(octets):
        cut += pieces(answer, source, 2)
    return cut


def one_line(words: object) -> None:
    """Raise unless this can stand in a line of a log."""
    assert str(words).isprintable(), repr(str(words))


def text(octets: bytes) -> str:
    """Return octets as text, as file names and header fields come to us."""
    return octets.decode("utf-8", "surrogateescape")
