# SPDX-License-Identifier: Apache-2.0
"""Mail for which the configuration has no way: it waits, and says what is missing."""

from collections.abc import Collection

from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery

_NONE = "none"
_MAY_NOT_RUN = Reply(
    451, "4.7.1", "it is for an alias's command or file, and aliases_may_run = no"
)


class NowhereTransport:
    """Puts off each recipient, with the reason; see ``Transport``."""

    def __init__(self, sections: Collection[str]) -> None:
        """Take the names of all [submitter NAME] sections that there are."""
        self._sections = sections

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Say why not."""
        del alive  # it takes no time
        rules = delivery.envelope.submitter.rules
        reply = _MAY_NOT_RUN
        if rules and rules not in self._sections:
            text = f"[submitter {rules}], under which it was taken, is gone"
            reply = Reply(451, "4.3.5", f"{text} from the configuration")
        return (Outcome.of(reply, _NONE),) * len(delivery.recipients)

    def close(self) -> None:
        """There is nothing to let go of."""

    def abort(self) -> None:
        """There is nothing to break off."""
