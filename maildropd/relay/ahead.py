# SPDX-License-Identifier: Apache-2.0
"""The envelope that goes out behind the final dot of the message before it.

Its answers come after the one to that dot.  If its turn does not come, the
connection ends: the server waits for a content.
"""

from dataclasses import dataclass

from maildropd.relay.base import Delivery
from maildropd.relay.form.letter import Letter
from maildropd.relay.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Ahead:
    """A transaction whose envelope goes out before the one before it has ended."""

    letter: Letter
    transaction: Transaction
    words: bytes

    def begins(self, delivery: Delivery) -> bool:
        """Tell whether it is the first part of this, and would be so again."""
        mine = self.letter.delivery
        same = mine.envelope.queue_id == delivery.envelope.queue_id
        paths = delivery.recipients[: len(mine.recipients)]
        return same and mine.recipients == paths
