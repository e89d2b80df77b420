# SPDX-License-Identifier: Apache-2.0
"""A journal that keeps its events, and can be waited on."""

import threading
from typing import TypeVar

from maildropd.mail.event import Event

E = TypeVar("E", bound=Event)


class FakeJournal:
    """Remembers every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def emit(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind so far."""
        with self._changed:
            return [each for each in self.events if isinstance(each, kind)]

    def wait_for(self, kind: type[E], count: int = 1, seconds: float = 30) -> list[E]:
        """Wait until so many events of one kind have come."""
        with self._changed:
            came = self._changed.wait_for(
                lambda: sum(isinstance(each, kind) for each in self.events) >= count,
                seconds,
            )
            found = [each for each in self.events if isinstance(each, kind)]
        assert came, f"{len(found)} of {count} {kind.__name__} in {seconds} s"
        return found
