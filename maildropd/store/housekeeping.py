# SPDX-License-Identifier: Apache-2.0
"""What is done in quiet moments, a small step at a time."""

from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.store.adding import forget_keys
from maildropd.store.rows import micros
from maildropd.store.transaction import Transaction

KEY_LIFE = timedelta(days=10)  # of submission keys that nobody forgets
_PURGE_EVERY = timedelta(hours=1)
_STEP = 1000  # keys looked at, pages given back, at a time
_SPARE = 2000  # pages kept for the next burst


class Housekeeping:
    """Old keys go, and the pages that a burst of mail has left."""

    def __init__(self, clock: Clock) -> None:
        """Begin a round at once."""
        self._clock = clock
        self._after = ""  # the last key looked at in this round
        self._next_round = clock.monotonic()

    def __call__(self, transaction: Transaction) -> bool:
        """Make one step; return whether another should follow soon."""
        looking = self._clock.monotonic() >= self._next_round
        if looking:
            self._purge(transaction)
        free = _give_back(transaction)
        return (looking and bool(self._after)) or free > _SPARE

    def _purge(self, transaction: Transaction) -> None:
        """Walk on over the keys, so that no step reads the whole table."""
        found = transaction.execute(
            "SELECT key, since FROM submission WHERE key > ? ORDER BY key LIMIT ?",
            (self._after, _STEP),
        ).fetchall()
        before = micros(self._clock.now() - KEY_LIFE)
        forget_keys(transaction, [key for key, since in found if since < before])
        if len(found) == _STEP:
            self._after = found[-1][0]
        else:
            self._after = ""
            self._next_round = self._clock.monotonic() + _PURGE_EVERY


def _give_back(transaction: Transaction) -> int:
    """Return some free pages to the file system; tell how many are left."""
    (free,) = transaction.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free - _SPARE, _STEP)):
        # One at a time: sqlite3 runs this pragma for one page, whatever it says.
        transaction.execute("PRAGMA incremental_vacuum(1)")
    return int(free) - _STEP
