# SPDX-License-Identifier: Apache-2.0
"""Messages whose rows are damaged: left alone until the next start, said once.

One of them must not stop the others, and an outcome that cannot be recorded
must not be sought again and again.  After damage SQLite can go on with nothing
of a transaction, so all of it is made again, without what it stumbled over.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from maildropd.mail.event import Journal
from maildropd.mail.store_events import MessageUnreadable
from maildropd.store.trouble import is_damage
from maildropd.store.turns import Turns

Result = TypeVar("Result")

_MOST = 10_000  # remembered; with more, the store is not worth it


class Unreadable:
    """What is known of them; filled by the writer, asked by everybody."""

    def __init__(self, journal: Journal) -> None:
        """Trust every row."""
        self._journal = journal
        self._messages: set[str] = set()
        self._contents: set[str] = set()  # of messages that are gone else
        self._news = False
        self.apart = False  # contents are not read along: one is damaged
        self.ids = ""  # a JSON array for SQLite; empty while there is none

    def has_news(self) -> bool:
        """Tell whether something was added since this was last asked."""
        news, self._news = self._news, False
        return news

    def add(self, queue_id: str, reason: str) -> None:
        """Leave this one alone from now on."""
        if self._learn(self._messages, queue_id, reason):
            self.ids = json.dumps(sorted(self._messages))

    def read_apart(self) -> None:
        """Let who wants a content read it himself: the claim goes on without."""
        self.apart = self._news = True

    def guard(self, queue_id: str, work: Callable[[], Result]) -> Result | None:
        """Do something to one message; None, and nothing done, if it is damaged."""
        if queue_id in self._messages:
            return None
        try:
            return work()
        except sqlite3.Error as error:
            if is_damage(error):
                self.add(queue_id, str(error))
            raise

    def guard_content(self, queue_id: str, work: Callable[[], bool]) -> bool:
        """Remove what is left of a message, unless its content is damaged.

        That it was delivered is on record all the same.
        """
        if queue_id in self._contents:
            return False
        try:
            return work()
        except sqlite3.Error as error:
            if is_damage(error):
                self._learn(self._contents, queue_id, f"its content: {error}")
            raise

    def _learn(self, known: set[str], queue_id: str, reason: str) -> bool:
        if queue_id in known or len(known) >= _MOST:
            return False
        known.add(queue_id)
        self._news = True
        self._journal.emit(MessageUnreadable(queue_id=queue_id, reason=reason))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who leases, and what he has to leave alone."""

    owner: str
    unreadable: Unreadable
    turns: Turns = field(default_factory=Turns)
