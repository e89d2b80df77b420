# SPDX-License-Identifier: Apache-2.0
"""What a reader of another system's files raises when it cannot go on."""


class Unreadable(ValueError):
    """A file of theirs that cannot be read, or is not what it should be."""

    def __init__(self, where: str, why: str) -> None:
        """Say it of ``where``, a file or "file:line", and say ``why``."""
        super().__init__(where, why)
        self.where = where
        self.why = why

    def __str__(self) -> str:
        """Return the line that is shown."""
        return f"{self.where}: {self.why}"
