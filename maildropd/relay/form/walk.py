# SPDX-License-Identifier: Apache-2.0
"""A message taken apart into its headers, its texts and what is between them.

Joined again, the octets are the message.  Nothing but one header is held, so
that a message may have any size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import NamedTuple

from maildropd.relay.form.part import Kind, Odd, Part, part

_HEADER_LIMIT = 4 * 1024 * 1024
_PARTS_LIMIT = 10_000
_DEPTH_LIMIT = 100


class Place(Enum):
    """Where octets stand."""

    HEADER = auto()  # all of it, with the empty line behind it, if there is one
    TEXT = auto()  # one line of a part, or a piece of one
    BETWEEN = auto()  # a boundary, or text that is in no part


class Piece(NamedTuple):
    """Some octets, and the part that they belong to, or are inside of."""

    place: Place
    octets: bytes
    part: Part


def walk(lines: Iterable[bytes]) -> Iterator[Piece]:
    """Yield the pieces of a message; raise ``Odd`` where it cannot be understood."""
    walker = _Walker()
    for line in lines:
        yield from walker.feed(line)
    yield from walker.end()


class _Walker:
    def __init__(self) -> None:
        self._above: list[Part] = []  # multiparts and messages that are open
        self._header: bytearray | None = bytearray()  # while one is read
        self._leaf: Part | None = None
        self._number = 0
        self._fresh = True  # the next piece begins a line

    def feed(self, line: bytes) -> Iterator[Piece]:
        fresh, self._fresh = self._fresh, line.endswith(b"\n")
        if fresh and line.startswith(b"--") and (found := self._bounded(line)):
            yield from self._bound(line, found)
        elif self._header is not None:
            self._header += line
            if len(self._header) > _HEADER_LIMIT:
                raise Odd("a header is too large")
            if fresh and line == b"\r\n":
                yield self._headed()
        elif self._leaf is not None:
            yield Piece(Place.TEXT, line, self._leaf)
        else:
            yield Piece(Place.BETWEEN, line, self._above[-1])

    def end(self) -> Iterator[Piece]:
        if self._header:
            yield self._headed()

    def _bounded(self, line: bytes) -> tuple[int, bool] | None:
        """Return which multipart a line is a boundary of, and whether its last.

        The outermost one counts: what is inside of it ends with it.
        """
        said = line[2:].rstrip(b" \t\r\n")
        for depth, one in enumerate(self._above):
            if one.kind is Kind.MULTIPART and said.startswith(one.boundary):
                rest = said[len(one.boundary) :]
                if rest in (b"", b"--"):
                    return depth, rest == b"--"
        return None

    def _bound(self, line: bytes, found: tuple[int, bool]) -> Iterator[Piece]:
        depth, last = found
        if self._header:
            yield self._headed()
        bounded = self._above[depth]
        del self._above[depth + 1 :]
        self._leaf, self._header = None, None
        yield Piece(Place.BETWEEN, line, bounded)
        if not last:
            self._header = bytearray()
            return
        # What follows is an epilogue: it belongs to the part, which has no
        # boundary any more.
        self._above[depth] = replace(bounded, kind=Kind.SEALED)

    def _headed(self) -> Piece:
        header, self._header = bytes(self._header or b""), None
        self._number += 1
        if self._number > _PARTS_LIMIT or len(self._above) > _DEPTH_LIMIT:
            raise Odd("it has too many parts")
        above = self._above[-1] if self._above else None
        found = part(self._number, header, above)
        if found.kind in (Kind.MULTIPART, Kind.MESSAGE):
            self._above.append(found)
        else:
            self._leaf = found
        if found.kind is Kind.MESSAGE:
            self._header = bytearray()
        return Piece(Place.HEADER, header, found)
