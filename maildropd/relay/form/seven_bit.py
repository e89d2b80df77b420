# SPDX-License-Identifier: Apache-2.0
"""Mail for a server that takes only 7-bit octets, or only lines that are not long.

Part by part, and only those that need it: the texts that readers get are the
same.  What is signed is not touched, since its signature would not hold.  A
message is read twice and never held: it may have any size.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from maildropd.relay.form.encodings import Encoder
from maildropd.relay.form.field_words import Unspeakable, folded, in_ascii
from maildropd.relay.form.lines import lines
from maildropd.relay.form.part import Kind, Odd, Part, field_name, raw_fields
from maildropd.relay.form.tally import ENCODERS, Tally, Way
from maildropd.relay.form.walk import Piece, Place, walk

Content = Callable[[], Iterator[bytes]]

_BLOCK = 64 * 1024
_LABEL = b"content-transfer-encoding"


class Unconvertible(Exception):
    """The server would not take the message as it is, and so it must stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done with which part, by its number."""

    seven_bit: bool  # no octet beyond ASCII may be left
    ways: MappingProxyType[int, Way]
    charsets: MappingProxyType[int, str]  # of texts that say nothing of theirs


def plan(content: Content, *, seven_bit: bool) -> Plan | None:
    """Look through a message; raise ``Unconvertible`` if it has to stay 8-bit.

    Long lines are encoded where that is possible; elsewhere they stay, and so
    does the whole message where there is no plan.
    """
    planner = _Planner(seven_bit=seven_bit)
    try:
        for piece in walk(lines(content())):
            planner.look(piece)
        planner.settle()
    except (Odd, Unspeakable) as error:
        if seven_bit:
            raise Unconvertible(str(error)) from error
        return None
    return Plan(
        seven_bit=seven_bit,
        ways=MappingProxyType(planner.ways),
        charsets=MappingProxyType(planner.charsets),
    )


def convertible(octets: bytes) -> bool:
    """Tell whether a message can reach a server that takes only 7-bit octets."""
    try:
        plan(lambda: iter((octets,)), seven_bit=True)
    except Unconvertible:
        return False
    return True


def converted(content: Content, agreed: Plan) -> Iterator[bytes]:
    """Yield the message as planned, in blocks."""
    block = bytearray()
    for octets in _converted(content, agreed):
        block += octets
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _converted(content: Content, agreed: Plan) -> Iterator[bytes]:
    encoder: Encoder | None = None
    unended = False
    for place, octets, part in walk(lines(content())):
        if place is Place.TEXT:
            yield octets if encoder is None else encoder.feed(octets)
            continue
        if encoder is not None:
            yield encoder.finish(bounded=True)
            encoder = None
        if place is Place.BETWEEN:
            yield octets
            continue
        yield _header(part, agreed)
        unended = part.is_inside
        if way := agreed.ways.get(part.number):
            encoder = ENCODERS[way]()
    if encoder is not None:
        # Without its last boundary, the end is taken for one here and there.
        yield encoder.finish(bounded=unended)


class _Planner:
    """Decides, one part after the other."""

    def __init__(self, *, seven_bit: bool) -> None:
        self.ways: dict[int, Way] = {}
        self.charsets: dict[int, str] = {}
        self._seven_bit = seven_bit
        self._tally: Tally | None = None

    def look(self, piece: Piece) -> None:
        part = piece.part
        if piece.place is Place.TEXT:
            if self._tally is None or self._tally.part is not part:
                self.settle()
                self._tally = Tally(part)
            self._tally.add(piece.octets)
        elif self._seven_bit and not piece.octets.isascii():
            if part.seal:
                raise Unconvertible(part.seal)
            if piece.place is Place.BETWEEN:
                raise Unconvertible("it has 8-bit text that is in none of its parts")
            for field in raw_fields(piece.octets):
                in_ascii(field)

    def settle(self) -> None:
        """Decide about the part whose text was seen last."""
        tally, self._tally = self._tally, None
        if tally is None:
            return
        stays = self._seven_bit and tally.eight_bit
        if not (tally.long or stays):
            return
        part = tally.part
        way = None if part.seal else tally.way()
        if way is not None:
            self.ways[part.number] = way
            raw = way in (Way.QUOTE, Way.ENCODE)
            if raw and part.is_message and not part.media:
                self.charsets[part.number] = tally.charset
        elif stays:
            raise Unconvertible(part.seal or _why(part))


def _why(part: Part) -> str:
    if part.kind is Kind.SEALED:
        return f"its part of type {part.media} may not be encoded"
    return f"a part has 8-bit octets, though it says to be in {part.encoding}"


def _header(part: Part, agreed: Plan) -> bytes:
    """Return a header that speaks of what its part has become."""
    way = agreed.ways.get(part.number)
    label = str(way) if way in (Way.QUOTE, Way.ENCODE) else ""
    if agreed.seven_bit and part.encoding == "8bit" and not label:
        label = "7bit"
    if part.seal:
        return part.header
    before = raw_fields(part.header)
    after = part.header[sum(map(len, before)) :]  # the empty line, if there is one
    fields = [in_ascii(one) if agreed.seven_bit else one for one in before]
    if label:
        fields = [*_labelled(fields, b"Content-Transfer-Encoding: " + label.encode())]
    charset = agreed.charsets.get(part.number)
    if charset and not _has(fields, b"content-type"):
        fields.append(f"Content-Type: text/plain; charset={charset}\r\n".encode())
    if part.is_message and label and not _has(fields, b"mime-version"):
        fields.append(b"MIME-Version: 1.0\r\n")
    return b"".join(map(folded, fields)) + after


def _labelled(fields: Iterable[bytes], label: bytes) -> Iterator[bytes]:
    said = False
    for one in fields:
        is_label = field_name(one) == _LABEL
        yield label + b"\r\n" if is_label else one
        said |= is_label
    if not said:
        yield label + b"\r\n"


def _has(fields: Iterable[bytes], name: bytes) -> bool:
    return any(field_name(one) == name for one in fields)
