# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a configuration, and where: all of it at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

_SHOWN = 300  # characters; a value may be as long as its file


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of a file; line 0 is the file itself."""

    file: Path
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing the administrator has to change."""

    place: Place
    text: str

    def __str__(self) -> str:
        text = self.text
        return f"{self.place}: {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"


class ConfigErrors(Exception):
    """The configuration cannot be used; ``mistakes`` is never empty."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        """Take all that is wrong, in the order of the files and lines."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))

    @property
    def lines(self) -> list[str]:
        """One line for each mistake, as people read them."""
        return [str(mistake) for mistake in self.mistakes]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (try X)`` with the nearest known word, or nothing."""
    found = get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f" (try {found[0]})" if found else ""
