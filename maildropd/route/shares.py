# SPDX-License-Identifier: Apache-2.0
"""In which order several relays are tried for a message.

Of equal ones each gets its share of the mail, and a message asks them in the
same order at each attempt: what is in doubt is not sent by another for that.
"""

from collections.abc import Iterable
from hashlib import blake2b
from math import log

from maildropd.config.routes import Share

_BITS = 64


def ordered(shares: Iterable[Share], queue_id: str) -> tuple[str, ...]:
    """Return the relays' names, the one to be tried first at the front."""
    # Rendezvous hashing: a relay more or less moves its own mail only.
    ranked = sorted(shares, key=lambda each: (each.preference, _draw(each, queue_id)))
    return tuple(each.relay for each in ranked)


def _draw(share: Share, queue_id: str) -> float:
    """Draw a number that is the lower the greater the weight."""
    name = f"{queue_id} {share.relay}".encode()
    number = int.from_bytes(blake2b(name, digest_size=_BITS // 8).digest(), "big")
    return -log((number + 1) / (2**_BITS + 1)) / share.weight
