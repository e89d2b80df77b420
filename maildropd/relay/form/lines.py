# SPDX-License-Identifier: Apache-2.0
"""The lines of a message, and whether one is longer than SMTP allows.

Programs write a whole page of HTML, or an attachment, in one line; some servers
refuse it, and others cut it somewhere.
"""

from collections.abc import Iterable, Iterator

from maildropd.relay.form.octets import canonical

LIMIT = 998  # octets of a line, its CR LF not counted (RFC 5322 2.1.1)
_PIECE = 64 * 1024


def has_long_line(octets: bytes) -> bool:
    """Tell whether a line is too long; each ends in CR LF.

    From the start of a line, the next thousand octets have an end in them.
    """
    at, last = 0, len(octets) - LIMIT
    while at < last:
        end = octets.rfind(b"\n", at, at + LIMIT + 2)
        if end < 0:
            return True
        at = end + 1
    return False


class LongLines:
    """Looks at octets as they come, whatever their lines end in.

    It may be wrong by an octet, to the safe side.
    """

    def __init__(self) -> None:
        """Begin at the beginning of a line."""
        self.found = False
        self._open = 0  # octets of the line that has not ended yet

    def feed(self, block: bytes) -> None:
        """Look at the next octets."""
        first, last = block.find(b"\n"), block.rfind(b"\n")
        if first < 0:
            self._open += len(block)
            self.found |= self._open > LIMIT
            return
        self.found |= self._open + first > LIMIT or has_long_line(
            block[first + 1 : last + 1]
        )
        self._open = len(block) - last - 1
        self.found |= self._open > LIMIT


def lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines, some at a time, each with CR LF.

    A line that is too long comes alone; a very long one in several pieces, of
    which the last has the end.  These are the same however the octets come.
    """
    held, unended = b"", False
    for block in blocks:
        octets, held = held + block, b""
        after = b"\r" if octets.endswith(b"\r") else b""  # its LF may come next
        octets = canonical(octets.removesuffix(after))
        end = octets.rfind(b"\n") + 1
        whole, rest = octets[:end], octets[end:]
        if whole:
            yield from _apart(whole) if unended or has_long_line(whole) else (whole,)
            unended = False
        *pieces, held = _cut(rest)
        yield from pieces
        unended = unended or bool(pieces)
        held += after
    if held or unended:
        yield from _cut(held.removesuffix(b"\r") + b"\r\n")


def _apart(whole: bytes) -> Iterator[bytes]:
    for line in whole.splitlines(keepends=True):
        yield from _cut(line)


def _cut(line: bytes) -> list[bytes]:
    if len(line) <= _PIECE:
        return [line]
    return [line[at : at + _PIECE] for at in range(0, len(line), _PIECE)]
