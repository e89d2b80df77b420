# SPDX-License-Identifier: Apache-2.0
"""What keeps an open store in order: room on the disk, a reserve, care for damage."""

import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path

from maildropd.host.clock import Clock
from maildropd.mail.event import Journal
from maildropd.store.connection import PAGE, Database
from maildropd.store.damage import Damage
from maildropd.store.housekeeping import KEYS_FOR_A_STEP, Housekeeping
from maildropd.store.reserve import Reserve, log_of
from maildropd.store.room import Room
from maildropd.store.transaction import Transaction
from maildropd.store.unreadable import Unreadable

# Checked at the start, as long as that takes a moment also where nothing of the
# file is in memory: up to some 25,000 messages.  Contents have a digest of their
# own, looked at when they are sent.
_CHECKED = ("tally", "recipient", "message", "submission")
_CHECK_LIMIT = 64 * 1024 * 1024 // PAGE
_WORST = 3  # complaints that are told

_BEGUN = "SELECT open FROM run"
_BEGIN = (
    "INSERT INTO run (one, open) VALUES (1, ?)"
    " ON CONFLICT (one) DO UPDATE SET open = excluded.open"
)


class Upkeep:
    """Whatever a store needs beside its tables."""

    def __init__(
        self, path: Path, unreadable: Unreadable, journal: Journal, clock: Clock
    ) -> None:
        """Begin with a store that was just opened."""
        self.room = Room(path.parent, journal, clock)
        self.reserve = Reserve(path)
        self._path = path
        self._unreadable = unreadable
        self._damage = Damage(path, self.reserve.descriptor, journal, clock)
        self._housekeeping = Housekeeping(clock)
        self._keys = count(1)  # that came, and will grow too old
        self._checked = False

    def __call__(self, transaction: Transaction) -> bool:
        """Use a quiet moment; return whether there is more to do."""
        self.room.glance()
        self._hold_room()
        return self._housekeeping(transaction)

    def owes_a_step(self) -> bool:
        """Count a key that came; tell whether old ones should be looked for."""
        return next(self._keys) % KEYS_FOR_A_STEP == 0

    def purge(self, transaction: Transaction) -> bool:
        """Make that step."""
        return self._housekeeping.purge(transaction)

    def begin(self, database: Database, *, had_log: bool) -> bool:
        """Note that a run begins; return whether the last one's log is lost."""
        connection = database.connection()
        begun = connection.execute(_BEGUN).fetchone()
        lost = begun is not None and begun[0] == 1 and not had_log
        if lost:
            self.damaged(
                f"{log_of(self._path).name} is gone, though the last run did not"
                " end in order: mail may be missing, or be sent again"
            )
        connection.execute(_BEGIN, (1,))
        database.checkpoint()
        return lost

    def end(self, transaction: Transaction) -> None:
        """Note that this run ends in order."""
        transaction.execute(_BEGIN, (0,))

    def configure(self, transaction: Transaction, reserve: int) -> None:
        """Keep so much free; and look once whether the tables are whole."""
        if not self._checked:
            self._checked = True
            self._check(transaction)
        self.room.configure(reserve)
        self._hold_room()

    def damaged(self, reason: str) -> bool:
        """Keep a copy; return whether it is known now what to leave alone."""
        self._damage.found(reason)
        return self._unreadable.has_news()

    def be_heard(self, alive: Callable[[], None]) -> None:
        """Give signs of life during what takes long."""
        self._damage.alive = alive

    def _check(self, transaction: Transaction) -> None:
        (pages,) = transaction.execute("PRAGMA page_count").fetchone()
        if pages > _CHECK_LIMIT:
            return
        for table in _CHECKED:
            self._damage.alive()
            try:
                query = f"PRAGMA quick_check({table})"
                wrong = [line for (line,) in transaction.execute(query).fetchall()]
            except sqlite3.DatabaseError as error:
                wrong = [str(error)]
            if wrong != ["ok"]:
                lines = "\n".join(wrong).split("\n")[:_WORST]
                self.damaged(f"table {table}: {'; '.join(lines)}")
                return

    def _hold_room(self) -> None:
        free, reserve = self.room.spare()
        self.reserve.fill(free - reserve, reserve)
