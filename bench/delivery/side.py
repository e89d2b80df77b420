# SPDX-License-Identifier: Apache-2.0
"""What is delivered, and what can be asked of whoever delivers it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bench import mails
from bench.delivery.group import Group


class From(StrEnum):
    """Where the mails wait."""

    QUEUE = "queue"  # accepted, tried in vain, and to be tried later
    DROP = "drop"  # as programs left them in a directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many mails, on the disk."""

    where: From
    count: int
    size: int = mails.SIZE
    recipients: int = 1  # of each
    connections: int = 0  # 0: as its own documents advise for a server next door

    @property
    def octets(self) -> int:
        """How much it is, nearly."""
        return self.count * self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """When somebody was told to deliver."""

    at: float
    cpu: float = 0.0  # processor seconds used until then, which do not count


class Side(Protocol):
    """Somebody who delivers; fill, begin and end are called in this order."""

    @property
    def name(self) -> str:
        """The name in the tables."""
        ...

    def takes(self, load: Load) -> bool:
        """Tell whether it knows such a place, and can be given as many."""
        ...

    def fill(self, load: Load) -> None:
        """Have the mails on the disk, and nothing running."""
        ...

    def begin(self, group: Group, load: Load) -> Begun:
        """Let it deliver them."""
        ...

    def left(self) -> int:
        """Return how many mails wait yet."""
        ...

    def highest(self) -> float:
        """Return the most memory its processes had, in MB, if it is known."""
        ...

    def end(self) -> None:
        """Stop it, if there is a better way than to kill it."""
        ...
