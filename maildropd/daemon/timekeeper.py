# SPDX-License-Identifier: Apache-2.0
"""Sees to it that the next run knows what time it is for the queue."""

from concurrent.futures import Future
from datetime import timedelta

from maildropd.daemon.engine import Surroundings
from maildropd.mail.host_events import ClockJumped
from maildropd.store.base import QueueStore

_EVERY = timedelta(minutes=1)


class Timekeeper:
    """Notices that the host's clock was set, and keeps marks in the store."""

    def __init__(self, surroundings: Surroundings, store: QueueStore) -> None:
        """Keep the first mark when told to."""
        self._clock = surroundings.clock
        self._journal = surroundings.journal
        self._store = store
        self._due = self._clock.monotonic()
        self._kept: Future[None] | None = None

    def tick(self) -> None:
        """Keep a mark after a jump, and each minute while mail waits.

        The disk of a host without mail is left to sleep.
        """
        if self.look() or (self._is_due() and any(self._store.counts().values())):
            self.keep()

    def look(self) -> bool:
        """Tell whether the clock was set, and say so."""
        by = self._clock.jumped()
        if by is None:
            return False
        self._journal.emit(ClockJumped(by=by))
        return True

    def keep(self) -> None:
        """Write a mark, and wait for nothing: a store in trouble says so itself."""
        self._due = self._clock.monotonic() + _EVERY
        self._kept = self._store.keep_mark(self._clock.mark())

    def _is_due(self) -> bool:
        at_work = self._kept is not None and not self._kept.done()
        return not at_work and self._clock.monotonic() >= self._due
