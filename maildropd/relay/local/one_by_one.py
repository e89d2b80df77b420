# SPDX-License-Identifier: Apache-2.0
"""One recipient after the other; trouble of one is no trouble of the way."""

from collections.abc import Callable

from maildropd.mail.envelope import Terms
from maildropd.mail.outcome import Outcome
from maildropd.relay.base import Delivery
from maildropd.relay.refusal import TROUBLE, cut_by


def one_by_one(
    delivery: Delivery, relay: str, serve: Callable[[str, Terms], Outcome]
) -> tuple[Outcome, ...]:
    """Serve each; what ends it after the first lets the others wait.

    What was done already must not be done again for this.
    """
    outcomes: list[Outcome] = []
    for recipient, terms in zip(delivery.recipients, delivery.terms, strict=True):
        try:
            outcomes.append(serve(recipient, terms))
        except TROUBLE as error:
            if not outcomes:
                raise
            rest = len(delivery.recipients) - len(outcomes)
            outcomes += [cut_by(error, relay)] * rest
            break
    return tuple(outcomes)
