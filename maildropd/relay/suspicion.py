# SPDX-License-Identifier: Apache-2.0
"""Whom to blame for a conversation that broke: the route, or the message.

Blaming the route each time would let one message that a server cannot
stomach close the route for all; blaming the message each time would put off
all mail for hours because of a server that restarts.
"""

from maildropd.mail.envelope import QueueId
from maildropd.relay.dialogue import Interrupted
from maildropd.relay.refusal import Step
from maildropd.relay.wire import ConnectionLost


class Suspicion:
    """What one transport has seen."""

    def __init__(self) -> None:
        """Suspect nobody."""
        self._suspect: QueueId | None = None

    def cleared(self) -> None:
        """A conversation came to its end."""
        self._suspect = None

    def falls_on(
        self, queue_id: QueueId, step: Step, error: Interrupted | ConnectionLost
    ) -> bool:
        """Tell whether the message is to blame this time."""
        before, self._suspect = self._suspect, queue_id
        if before == queue_id:  # the same one twice running
            return True
        if isinstance(error, Interrupted):  # 421: the server speaks of itself
            return False
        return before is None or step is Step.CONTENT
