# SPDX-License-Identifier: Apache-2.0
"""What a transport is: one attempt in, one outcome per recipient out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from maildropd.mail.envelope import Envelope, Terms
from maildropd.mail.outcome import Outcome

Alive = Callable[[timedelta], None]
"""Called before each step that may take long, with its own time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to one next hop."""

    envelope: Envelope
    recipients: tuple[str, ...]  # forward-paths
    terms: tuple[Terms, ...] = ()  # one for each recipient, or none at all
    content: Callable[[], Iterator[bytes]]  # the stored octets, anew at each call
    # The next one, if it is known: a transport may say its envelope in advance.
    # No word of it is to be said again if it comes, and nothing if it does not.
    following: "Delivery | None" = None

    def part(self, start: int, end: int) -> "Delivery":
        """Return the same message to some of its recipients."""
        if start <= 0 and end >= len(self.recipients):
            return self
        return replace(
            self, recipients=self.recipients[start:end], terms=self.terms[start:end]
        )

    def only(self, numbers: Sequence[int]) -> "Delivery":
        """Return the same message to those at some places of its recipients."""
        return replace(
            self,
            recipients=tuple(self.recipients[number] for number in numbers),
            terms=tuple(self.terms[number] for number in numbers if self.terms),
        )


class Transport(Protocol):
    """A way to one next hop; used by one thread at a time.

    ``attempt`` returns one outcome per recipient, in their order.  It raises
    ``RouteError`` when the next hop could not be asked about this message at
    all (unreachable, TLS or AUTH failure, closing with 421 before an answer):
    then no recipient was delivered, and no attempt is counted.
    ``StoreUnusable`` from the content passes through, the connection dropped.
    """

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try once."""
        ...

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        ...

    def abort(self) -> None:
        """Break the connection off; the one call other threads may make.

        An attempt under way ends as if the server had closed.
        """
        ...
