# SPDX-License-Identifier: Apache-2.0
"""One message as the commands of its transaction need it: sized, and looked at.

What is small is read once, before the server hears of it; what is large is
read from the store as it goes out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maildropd.mail.envelope import DEFAULT_TERMS, Terms
from maildropd.relay.base import Delivery
from maildropd.relay.octets import DOT, wire_blocks, wire_form

_SMALL = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The octets of one message, ready to be sent, as often as needed."""

    delivery: Delivery
    size: int  # about the octets that go out (RFC 1870 section 6.1)
    eight_bit: bool
    octets: bytes | None  # wire form with final dot, if small

    @property
    def terms(self) -> Sequence[Terms]:
        """On which terms each recipient is served."""
        delivery = self.delivery
        return delivery.terms or (DEFAULT_TERMS,) * len(delivery.recipients)

    def blocks(self) -> Iterator[bytes]:
        """Yield what goes over the wire; the last block ends in the final dot."""
        if self.octets is not None:
            yield self.octets
        else:
            yield from wire_blocks(self.delivery.content())


def letter(delivery: Delivery) -> Letter:
    """Read a message, as far as needed; ``StoreUnusable`` passes through."""
    if delivery.envelope.size > _SMALL:
        return Letter(
            delivery=delivery,
            size=delivery.envelope.size,
            eight_bit=not all(block.isascii() for block in delivery.content()),
            octets=None,
        )
    octets = wire_form(b"".join(delivery.content()))
    return Letter(
        delivery=delivery,
        size=len(octets) - len(DOT),
        eight_bit=not octets.isascii(),
        octets=octets,
    )
