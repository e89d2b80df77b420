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
    TEXT = auto()  # lines of a part, or a piece of one
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
        self._bounds: frozenset[bytes] = frozenset()  # lines that end a part now

    def feed(self, lines: bytes) -> Iterator[Piece]:
        """Take whole lines, or a piece of one."""
        fresh, self._fresh = self._fresh, lines.endswith(b"\n")
        at = 0
        while at < len(lines):
            if not fresh:  # a long line goes on: it is no boundary, and ends no header
                yield from self._text(lines)
                return
            end = lines.find(b"\n", at) + 1 or len(lines)
            if self._is_bound(lines, at):
                yield from self._bound(lines[at:end])
            elif self._header is not None:
                yield from self._text(lines[at:end])
                if lines[at:end] == b"\r\n":
                    yield self._headed()
            else:
                end = self._end_of_text(lines, at)
                yield from self._text(lines[at:end])
            at = end

    def _is_bound(self, lines: bytes, at: int) -> bool:
        if not (self._bounds and lines.startswith(b"--", at)):
            return False
        end = lines.find(b"\n", at) + 1
        return lines[at:end].rstrip(b" \t\r\n") in self._bounds

    def _end_of_text(self, lines: bytes, at: int) -> int:
        while self._bounds and (at := lines.find(b"\n--", at) + 1):
            if self._is_bound(lines, at):
                return at
        return len(lines)

    def _text(self, octets: bytes) -> Iterator[Piece]:
        if self._header is not None:
            self._header += octets
            if len(self._header) > _HEADER_LIMIT:
                raise Odd("a header is too large")
        elif self._leaf is not None:
            yield Piece(Place.TEXT, octets, self._leaf)
        else:
            yield Piece(Place.BETWEEN, octets, self._above[-1])

    def end(self) -> Iterator[Piece]:
        if self._header:
            yield self._headed()

    def _bound(self, line: bytes) -> Iterator[Piece]:
        """End what a boundary ends; of several, the outermost one counts."""
        if self._header:
            yield self._headed()
        said = line[2:].rstrip(b" \t\r\n")
        depth = next(
            at
            for at, one in enumerate(self._above)
            if _is_open(one) and said in (one.boundary, one.boundary + b"--")
        )
        bounded, inside = self._above[depth], self._above[depth + 1 :]
        del self._above[depth + 1 :]
        self._leaf = None
        yield Piece(Place.BETWEEN, line, bounded)
        last = said != bounded.boundary
        self._header = None if last else bytearray()
        if last:
            # What follows is an epilogue: it belongs to the part, which has no
            # boundary any more.
            self._above[depth] = replace(bounded, kind=Kind.SEALED)
        if last or inside:
            self._look_out()

    def _look_out(self) -> None:
        """Look for the boundaries of what is open now."""
        opened = [b"--" + one.boundary for one in self._above if _is_open(one)]
        self._bounds = frozenset([*opened, *(bound + b"--" for bound in opened)])

    def _headed(self) -> Piece:
        header, self._header = bytes(self._header or b""), None
        self._number += 1
        if self._number > _PARTS_LIMIT or len(self._above) > _DEPTH_LIMIT:
            raise Odd("it has too many parts")
        above = self._above[-1] if self._above else None
        found = part(self._number, header, above)
        if found.kind in (Kind.MULTIPART, Kind.MESSAGE):
            self._above.append(found)
            self._look_out()
        else:
            self._leaf = found
        if found.kind is Kind.MESSAGE:
            self._header = bytearray()
        return Piece(Place.HEADER, header, found)


def _is_open(part: Part) -> bool:
    return part.kind is Kind.MULTIPART
