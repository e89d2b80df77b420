# SPDX-License-Identifier: Apache-2.0
"""How many transactions a message needs, and who is in which.

Decided anew for each connection, since it depends on what the server offers.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from maildropd.mail import verp
from maildropd.relay.base import Delivery


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
