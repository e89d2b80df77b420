# SPDX-License-Identifier: Apache-2.0
"""Where the queue's time was: written from time to time, read by the next run."""

import sqlite3
from datetime import timedelta

from maildropd.host.clock import Mark
from maildropd.store.rows import micros, time
from maildropd.store.transaction import Transaction

_MICRO = timedelta(microseconds=1)
_KEEP = (
    "INSERT INTO clock (one, now, skew, boot, up) VALUES (1, ?, ?, ?, ?)"
    " ON CONFLICT (one) DO UPDATE SET now = excluded.now, skew = excluded.skew,"
    " boot = excluded.boot, up = excluded.up"
)
_FIND = "SELECT now, skew, boot, up FROM clock"
_USED = "SELECT EXISTS (SELECT 1 FROM message) OR EXISTS (SELECT 1 FROM submission)"


def keep(transaction: Transaction, mark: Mark) -> None:
    """Write where the queue's time is."""
    row = (micros(mark.now), mark.skew // _MICRO, mark.boot, mark.up // _MICRO)
    transaction.execute(_KEEP, row)


def find(connection: sqlite3.Connection) -> Mark | None:
    """Return where it was; None if no time in the store means anything.

    An empty store need not know of a clock that was wrong long ago.
    """
    row = connection.execute(_FIND).fetchone()
    if row is None or not connection.execute(_USED).fetchone()[0]:
        return None
    now, skew, boot, up = row
    try:
        return Mark(now=time(now), skew=skew * _MICRO, boot=boot, up=up * _MICRO)
    except (OverflowError, ValueError, OSError):  # no time that there could be
        return None
