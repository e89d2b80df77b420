# SPDX-License-Identifier: Apache-2.0
"""How many transactions a message needs, and who is in which.

Decided anew for each connection, since it depends on what the server offers.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from maildropd.mail import verp
from maildropd.mail.outcome import Disposition, Outcome, Sign
from maildropd.relay.base import Delivery
from maildropd.relay.refusal import TROUBLE


def parcels(
    delivery: Delivery, offered: Collection[str], most: int
) -> Iterator[Delivery]:
    """Yield a delivery for each transaction; together, in order, they are all.

    Each has the reverse-path that MAIL names, in its envelope; an envelope that
    still asks for VERP goes with the parameter XVERP.  To take a part of the
    parcels apart again, for another connection, is right.
    """
    envelope = delivery.envelope
    total = len(delivery.recipients)
    if not envelope.verp or not envelope.reverse_path or "xverp" in offered:
        for start in range(0, total, most):
            yield delivery.part(start, start + most)
        return
    for number, recipient in enumerate(delivery.recipients):
        own = verp.sender_for(envelope, recipient)
        part = delivery.part(number, number + 1)
        yield replace(part, envelope=replace(envelope, reverse_path=own, verp=""))


def in_full(
    delivery: Delivery, carry: Callable[[Delivery], Sequence[Outcome]]
) -> Sequence[Outcome]:
    """Carry a delivery; whom the server had no room for goes at once in another.

    "Too many recipients" is about a transaction, not about them (RFC 5321
    4.5.3.1.10): to let them wait would put off a list for hours.  An error of
    the first ``carry`` passes through.  Each but the last delivers to somebody,
    so that this ends.
    """
    outcomes = list(carry(delivery))
    left = _crowded_out(outcomes)
    room = len(outcomes) - len(left)
    while left:
        now, later = left[:room], left[room:]
        try:
            more = carry(delivery.only(now))
        except TROUBLE:  # who has it already must not get it again
            break
        for number, outcome in zip(now, more, strict=True):
            outcomes[number] = outcome
        if not any(each.disposition is Disposition.DELIVERED for each in more):
            break
        left = [now[number] for number in _crowded_out(more)] + later
    return outcomes


def _crowded_out(outcomes: Sequence[Outcome]) -> list[int]:
    """Return the places of those for whom there was no room beside the others."""
    if not any(each.disposition is Disposition.DELIVERED for each in outcomes):
        return []
    return [n for n, each in enumerate(outcomes) if each.sign is Sign.CROWDED]
