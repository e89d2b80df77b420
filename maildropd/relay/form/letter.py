# SPDX-License-Identifier: Apache-2.0
"""One message as the commands of its transaction need it: sized, and looked at.

What is small is read once, before the server hears of it; what is large is
read from the store as it goes out.  ``fit`` makes of it what a server takes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from maildropd.mail.envelope import DEFAULT_TERMS, Terms
from maildropd.mail.reply import Reply
from maildropd.relay.base import Delivery
from maildropd.relay.form.lines import LongLines, has_long_line
from maildropd.relay.form.octets import DOT, undotted, wire_blocks, wire_form
from maildropd.relay.form.seven_bit import Unconvertible, converted, plan
from maildropd.relay.identity.dkim_body import wire_lines
from maildropd.relay.identity.signing import Signer, signature

_SMALL = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The octets of one message, ready to be sent, as often as needed."""

    delivery: Delivery
    size: int  # about the octets that go out (RFC 1870 section 6.1)
    eight_bit: bool
    long_lines: bool  # longer than SMTP allows, and perhaps to be mended
    octets: bytes | None  # wire form with final dot, if small
    content: Callable[[], Iterator[bytes]]  # else: what goes out, line ends as stored
    signer: Signer | None = None  # who is to sign it, once it is as it goes out

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
            yield from wire_blocks(self.content())

    def chunk(self) -> Iterator[bytes]:
        """Yield the same as one BDAT (RFC 3030): counted, and no dot doubled."""
        if self.octets is not None:
            plain = undotted(self.octets)
            yield b"BDAT %d LAST\r\n" % len(plain) + plain
        else:
            size = sum(map(len, wire_lines(self.content())))
            yield b"BDAT %d LAST\r\n" % size
            yield from wire_lines(self.content())


def letter(delivery: Delivery, signer: Signer | None = None) -> Letter:
    """Read a message, as far as needed; ``StoreUnusable`` passes through.

    What any server takes is signed at once; ``RouteMisconfigured`` if that
    cannot be.
    """
    small = delivery.envelope.size <= _SMALL
    read = _small(delivery, signer) if small else _large(delivery, signer)
    return signed(read) if fits(read, ()) else read


def signed(message: Letter) -> Letter:
    """Return a message with its signature, if it lacks one."""
    if message.signer is None:
        return message
    fields, content = signature(message.signer, message.content), message.content
    octets = None if message.octets is None else fields + message.octets
    return replace(
        message,
        signer=None,
        octets=octets,
        size=message.size + len(fields),
        content=lambda: chain((fields,), content()),
    )


def _small(delivery: Delivery, signer: Signer | None) -> Letter:
    octets = wire_form(b"".join(delivery.content()))
    return Letter(
        delivery=delivery,
        size=len(octets) - len(DOT),
        eight_bit=not octets.isascii(),
        long_lines=has_long_line(octets),
        octets=octets,
        content=delivery.content,
        signer=signer,
    )


def fits(message: Letter, offered: Collection[str]) -> bool:
    """Tell whether this server takes a message as it is."""
    return not message.long_lines and (not message.eight_bit or "8bitmime" in offered)


def fit(message: Letter, offered: Collection[str]) -> Letter | Reply:
    """Return a message as this server takes it, or why it never will.

    What fits is returned as it is.  What does not is read, and read again as
    it goes out, so ask once for all transactions of a connection.  Either is
    signed.  ``StoreUnusable`` and ``RouteMisconfigured`` pass through.
    """
    if fits(message, offered):
        return signed(message)
    seven_bit = message.eight_bit and "8bitmime" not in offered
    try:
        agreed = plan(message.content, seven_bit=seven_bit)
    except Unconvertible as error:
        words = "it has 8-bit octets, the server takes none (8BITMIME), and"
        return Reply(554, "5.6.3", f"{words} it cannot be converted: {error}")
    if agreed is None:
        # Most servers do take them.
        return signed(replace(message, long_lines=False))
    content = partial(converted, message.content, agreed)
    eight_bit = message.eight_bit and not seven_bit
    fitted = replace(message, content=content, eight_bit=eight_bit, long_lines=False)
    if message.octets is None:
        return signed(replace(fitted, size=sum(map(len, content()))))
    octets = wire_form(b"".join(content()))
    return signed(replace(fitted, octets=octets, size=len(octets) - len(DOT)))


def _large(delivery: Delivery, signer: Signer | None) -> Letter:
    eight_bit, long_lines = False, LongLines()
    for block in delivery.content():
        eight_bit = eight_bit or not block.isascii()
        long_lines.feed(block)
    return Letter(
        delivery=delivery,
        size=delivery.envelope.size,
        eight_bit=eight_bit,
        long_lines=long_lines.found,
        octets=None,
        content=delivery.content,
        signer=signer,
    )
