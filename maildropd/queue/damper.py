# SPDX-License-Identifier: Apache-2.0
"""How many reports one address gets within an hour, so that none drowns in them."""

import threading
from collections.abc import Callable
from datetime import timedelta

_WINDOW = timedelta(hours=1)
_REMEMBERED = 10_000  # addresses; who falls out begins anew


class Damper:
    """Counts for each address, from its first report on; outlives a reload."""

    def __init__(self, monotonic: Callable[[], timedelta]) -> None:
        """Begin with nothing sent."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[timedelta, int]] = {}  # since when, how many

    def take(self, address: str, limit: int) -> int:
        """Count one more, and return how many it would be; above the limit: wait."""
        now = self._monotonic()
        with self._lock:
            since, sent = self._sent.pop(address, (now, 0))
            if now - since >= _WINDOW:
                since, sent = now, 0
            self._sent[address] = since, min(sent + 1, limit + 2)
            if len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]
        return sent + 1

    def rests(self, address: str, limit: int) -> bool:
        """Tell whether reports to an address wait for the end of its hour."""
        now = self._monotonic()
        with self._lock:
            since, sent = self._sent.get(address, (now, 0))
            return sent >= limit and now - since < _WINDOW
