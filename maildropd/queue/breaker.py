# SPDX-License-Identifier: Apache-2.0
"""Stop knocking at a door nobody opens: one probe, with growing pauses.

A broken route says nothing about any message, so no attempt is counted and
nothing fails; the mail waits in the store until a probe gets through.
"""

import re
import threading
from dataclasses import dataclass
from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.mail.reply import Reply
from maildropd.queue.backoff import Backoff

UNREACHABLE = Backoff(first=timedelta(seconds=1), slowest=timedelta(minutes=1))
FOREIGN = Backoff(first=timedelta(seconds=10), slowest=timedelta(minutes=10))
"""Servers of others, of which some are dead at any time."""
REFUSED = Backoff(first=timedelta(minutes=1), slowest=timedelta(hours=1))
"""A wrong password tried too often gets a host locked out."""
UNWELCOME = Backoff(first=timedelta(minutes=1), slowest=timedelta(minutes=5))
"""No mail of ours is taken: the next one may be, whatever became of these."""

# An address, a session's number: the same trouble, told anew in each reply.
_VARYING = re.compile(r"<[^>]*>|\S*\d\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is known of a route that does not work."""

    reply: Reply
    refused: bool  # the next hop answers, but wants nothing from us
    retry_in: timedelta


class Breaker:
    """Closed: work flows.  Open: nothing.  Open and due: one probe at a time."""

    def __init__(self, clock: Clock, unreachable: Backoff = UNREACHABLE) -> None:
        """Start closed; knock at this pace where nobody answers."""
        self.clock = clock
        self._unreachable = unreachable
        self._lock = threading.Lock()
        self._broken: Broken | None = None
        self._failures = 0
        self._since = timedelta(0)
        self._retry_at = timedelta(0)

    @property
    def broken(self) -> Broken | None:
        """What is wrong with the route, or None."""
        with self._lock:
            return self._broken

    def wait(self) -> timedelta | None:
        """Return how long until work may be tried; None while the route works."""
        with self._lock:
            if self._broken is None:
                return None
            return max(self._retry_at - self.clock.monotonic(), timedelta(0))

    def failed(
        self, reply: Reply, *, refused: bool = False, pace: Backoff | None = None
    ) -> Broken | None:
        """Note a route failure; return it if it is news worth telling.

        Several connections fail together: only the first counts, until the
        pause is over and a probe fails.  A pace of its own means refused.
        """
        now = self.clock.monotonic()
        with self._lock:
            before = self._broken
            if before is None:
                self._since, self._failures = now, 0
            elif now < self._retry_at:
                return None
            self._failures += 1
            refused = refused or pace is not None
            pace = pace or (REFUSED if refused else self._unreachable)
            delay = pace.delay(self._failures, jitter=0)
            self._retry_at = now + delay
            self._broken = Broken(reply=reply, refused=refused, retry_in=delay)
            same = before is not None and _gist(before) == _gist(self._broken)
            return None if same else self._broken

    def works(self) -> timedelta | None:
        """Note that the route works; return how long it did not, if it did not."""
        with self._lock:
            broken, self._broken = self._broken, None
            return self.clock.monotonic() - self._since if broken else None

    def lasted(self) -> timedelta:
        """Return for how long the route has not worked."""
        with self._lock:
            if self._broken is None:
                return timedelta(0)
            return self.clock.monotonic() - self._since

    def retry_now(self) -> None:
        """Let the next probe go at once, as after a reload or a flush."""
        with self._lock:
            self._retry_at = self.clock.monotonic()
            self._failures = 0


def _gist(broken: Broken) -> tuple[bool, str]:
    return broken.refused, _VARYING.sub("", broken.reply.text)
