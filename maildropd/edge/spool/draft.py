# SPDX-License-Identifier: Apache-2.0
"""What the head of a dropped file says: who it is for, and which form it has.

The form is told by content, never by name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from maildropd.mail.address import unique
from maildropd.mail.errors import Malformed, TooManyRecipients


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message without an identity yet, as one form describes it.

    ``content`` stands for the octets that were read as head; what follows
    them in the file follows here unchanged.
    """

    reverse_path: str | None
    recipients: tuple[str, ...]
    content: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Say so where the message goes to nobody."""
        if not self.recipients:
            raise Malformed("it names no recipient")


def recipients(addresses: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return each address once, as long as no more are named than the limit.

    No more are read either: a file of 25 MB can name six million.
    """
    named = tuple(islice(addresses, limit + 1))
    if len(named) > limit:
        raise TooManyRecipients(
            f"it names more than {limit} recipients (recipient_limit in [queue])"
        )
    return unique(named)
