# SPDX-License-Identifier: Apache-2.0
"""A message with its envelope, between the edge that took it and the store.

Policies make another draft of a draft.  Only the header is at hand; the body
passes by, and is never held or changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from maildropd.mail.envelope import DEFAULT_TERMS, Terms
from maildropd.mail.errors import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A forward-path, and on which terms it is served."""

    forward_path: str
    terms: Terms = DEFAULT_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants to be sent.

    ``header`` is the whole header with the empty line that ends it, as far
    as there is one; ``body`` yields what follows, once.
    """

    reverse_path: str | None
    recipients: tuple[Recipient, ...]
    header: bytes
    body: Iterable[bytes] = ()
    size: int = 0  # octets, as handed over
    full_name: str = ""  # of the author, where a From has to be made
    ret: str = ""
    envid: str = ""
    verp: str = ""
    hold: bool = False  # no attempt until somebody releases it
    as_is: bool = False  # nothing is added that is merely missing

    def __post_init__(self) -> None:
        """Say so where the message goes to nobody."""
        if not self.recipients:
            raise Malformed("it names no recipient")
