# SPDX-License-Identifier: Apache-2.0
"""Messages whose rows are damaged: left alone until the next start, said once.

One of them must not stop the others, and an outcome that cannot be recorded
must not be sought again and again.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from maildropd.mail.event import Journal
from maildropd.mail.store_events import MessageUnreadable
from maildropd.store.transaction import Transaction
from maildropd.store.trouble import is_damage

Result = TypeVar("Result")

_MOST = 10_000  # remembered; with more, the store is not worth it


class Unreadable:
    """What is known of them; filled by the writer, asked by everybody."""

    def __init__(self, journal: Journal) -> None:
        """Trust every row."""
        self._journal = journal
        self._ids: set[str] = set()
        self.suspected = False  # damage was seen: each message with care
        self.ids = ""  # a JSON array for SQLite; empty while there is none

    def add(self, queue_id: str, reason: str) -> None:
        """Leave this one alone from now on."""
        if queue_id not in self._ids and len(self._ids) < _MOST:
            self._ids.add(queue_id)
            self.ids = json.dumps(sorted(self._ids))
            self._journal.emit(MessageUnreadable(queue_id=queue_id, reason=reason))

    def guard(
        self, transaction: Transaction, queue_id: str, work: Callable[[], Result]
    ) -> Result | None:
        """Do something to one message; None, and nothing done, if it is damaged.

        Without a suspicion the whole change fails: it is made again, with one.
        """
        if not self.suspected:
            return work()
        transaction.execute("SAVEPOINT message")
        try:
            return work()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            transaction.execute("ROLLBACK TO message")
            self.add(queue_id, str(error))
            return None
        finally:
            transaction.execute("RELEASE message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who leases, and what he has to leave alone."""

    owner: str
    unreadable: Unreadable
