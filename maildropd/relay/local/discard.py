# SPDX-License-Identifier: Apache-2.0
"""Mail that a route ends here: nobody gets it, or its sender is told no."""

from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery


class AnswerTransport:
    """Gives every recipient one and the same reply; see ``Transport``."""

    def __init__(self, reply: Reply, relay: str) -> None:
        """Take the reply, and the name of who gives it."""
        self._outcome = Outcome.here(reply, relay)

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Say it."""
        del alive  # it takes no time
        return (self._outcome,) * len(delivery.recipients)

    def close(self) -> None:
        """There is nothing to let go of."""

    def abort(self) -> None:
        """There is nothing to break off."""
