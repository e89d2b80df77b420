# SPDX-License-Identifier: Apache-2.0
"""What one configuration makes: replaced whole by a reload."""

from dataclasses import dataclass
from typing import Protocol

from maildropd.config.model import Config
from maildropd.queue.manager import Routing


class Intake(Protocol):
    """A way in that has a thread of its own."""

    def start(self) -> None:
        """Begin to take mail."""
        ...

    def stop(self) -> None:
        """Finish what has been begun, then return."""
        ...

    def status(self) -> dict[str, object]:
        """Return name, path and condition, for people."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that depend on the configuration."""

    config: Config
    routing: Routing
    intakes: tuple[Intake, ...]
