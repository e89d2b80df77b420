# SPDX-License-Identifier: Apache-2.0
"""Who is told of what: the sender's wishes, and what keeps notices from harm.

Nobody answers a null reverse-path.  What is taken in a sandbox stays in it:
its sender may be a customer, who must not hear of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from maildropd.config.model import SubmitterConfig
from maildropd.mail.envelope import Envelope, Terms
from maildropd.mail.verp import sender_for

BOUNCE = "bounce"  # the submitter of a report, as logs and queue show it
DOUBLE = "double-bounce"  # of one about mail that nobody sent


class Wish(StrEnum):
    """What somebody may want to hear of (RFC 3461 4.1)."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


def wants(terms: Terms, wish: Wish) -> bool:
    """Tell whether it is wished; who says nothing wants to hear of trouble."""
    if not terms.notify:
        return wish is not Wish.SUCCESS
    return wish in terms.notify.split(",")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """Where a report goes."""

    to: str
    submitter: str = BOUNCE
    rules: str = ""  # the section that it goes by; empty: as other mail goes


class Post:
    """Knows who is told, by one configuration."""

    def __init__(self, sections: Sequence[SubmitterConfig], double_to: str) -> None:
        """``double_to`` hears of what has no sender, if it is not empty."""
        self._sections = {section.name: section for section in sections}
        self._double_to = double_to

    def addressee(self, envelope: Envelope, recipient: str) -> Addressed | None:
        """Return who is told that mail failed; None if there is nobody.

        The sender of a list may have an address for each recipient.
        """
        name = envelope.submitter.rules
        section = self._sections.get(name)
        # Of a section that is gone nobody knows whether it was to be captured.
        kept = name if section is None or section.capture else ""
        if sender := sender_for(envelope, recipient):
            redirected = section.redirect_to if section else ""
            return Addressed(to=redirected or sender, rules=kept)
        if not self._double_to or envelope.submitter.name == DOUBLE:
            return None
        return Addressed(to=self._double_to, submitter=DOUBLE, rules=kept)
