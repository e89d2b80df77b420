# SPDX-License-Identifier: Apache-2.0
"""What is done in quiet moments, a small step at a time.

Old keys go also where it is never quiet: a step for so many that come.
"""

from datetime import timedelta

from maildropd.host.clock import Clock
from maildropd.store.adding import forget_keys
from maildropd.store.rows import micros
from maildropd.store.transaction import Transaction

KEY_LIFE = timedelta(days=10)  # of submission keys that nobody forgets
_KEY_LIFE = KEY_LIFE // timedelta(microseconds=1)
_PURGE_EVERY = timedelta(hours=1)
_STEP = 1000  # keys looked at, pages given back, at a time
# So many new keys pay for a step.  With fewer than _STEP of them it comes round.
KEYS_FOR_A_STEP = 250
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
        looking = self.purge(transaction)
        free = _give_back(transaction)
        return looking or free > _SPARE

    def purge(self, transaction: Transaction) -> bool:
        """Walk on over the keys; return whether this round goes on.

        Never over all at once: there may be millions.
        """
        if self._clock.monotonic() < self._next_round:
            return False
        found = transaction.execute(
            "SELECT key, coalesce(expires, since + ?) FROM submission"
            " WHERE key > ? ORDER BY key LIMIT ?",
            (_KEY_LIFE, self._after, _STEP),
        ).fetchall()
        now = micros(self._clock.now())
        forget_keys(transaction, [key for key, until in found if until <= now])
        if len(found) == _STEP:
            self._after = found[-1][0]
        else:
            self._after = ""
            self._next_round = self._clock.monotonic() + _PURGE_EVERY
        return bool(self._after)


def _give_back(transaction: Transaction) -> int:
    """Return some free pages to the file system; tell how many are left."""
    (free,) = transaction.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free - _SPARE, _STEP)):
        # One at a time: sqlite3 runs this pragma for one page, whatever it says.
        transaction.execute("PRAGMA incremental_vacuum(1)")
    return int(free) - _STEP
