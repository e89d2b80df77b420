# SPDX-License-Identifier: Apache-2.0
"""A transaction in the making: what a change may do, and what follows from it."""

import sqlite3

_TALLY = (
    "INSERT INTO tally (state, recipients) VALUES (?, ?)"
    " ON CONFLICT (state) DO UPDATE SET recipients = recipients + ?"
)


class Transaction:
    """One group's changes, and what follows from them once they are durable."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Work on a connection on which a transaction has begun."""
        self.execute = connection.execute
        self.executemany = connection.executemany
        self._moves: dict[str, int] = {}
        self.doomed: list[str] = []  # files to remove
        self.octets = 0  # written
        self.admits = False  # a message that was not here before

    def count(self, state: str, by: int) -> None:
        """Remember that a state has so many recipients more, or less."""
        self._moves[state] = self._moves.get(state, 0) + by

    def write_counts(self) -> None:
        """Add up what was counted; the last thing before the commit."""
        for state, by in self._moves.items():
            self.execute(_TALLY, (state, by, by))
