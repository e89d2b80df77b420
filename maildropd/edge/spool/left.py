# SPDX-License-Identifier: Apache-2.0
"""Files that are left alone: said once, and then not read again and again."""

from dataclasses import dataclass

from maildropd.edge.spool.sight import Sight, shown
from maildropd.mail.event import Journal
from maildropd.mail.events import FileLeftAlone

# Remembered, and told; anybody can make a million directories in a drop.
_MOST = 10_000


@dataclass(slots=True)
class _Known:
    sight: Sight
    final: bool  # not to be tried again as it is
    round: int


class LeftAlone:
    """What is known of files that could neither be taken nor set aside."""

    def __init__(self, spool: str, journal: Journal) -> None:
        """Know nothing."""
        self._spool = spool
        self._journal = journal
        self._known: dict[bytes, _Known] = {}
        self._round = 0
        self._overflowed = False

    def add(self, sight: Sight, reason: str, *, final: bool) -> None:
        """Say so, unless it was said of the same file before."""
        known = self._find(sight)
        if known is None and len(self._known) >= _MOST:
            if not self._overflowed:
                self._overflowed = True
                self._tell(sight, f"{reason}; and so are more than {_MOST} others")
            return
        self._known[sight.name] = _Known(sight, final, self._round)
        if known is None:
            self._tell(sight, reason)

    def is_final(self, sight: Sight) -> bool:
        """Tell whether this file, as it is, needs no other look."""
        if not self._known:
            return False
        known = self._find(sight)
        return known is not None and known.final

    def forget(self, name: bytes) -> None:
        """Look at it anew: something happened to it."""
        known = self._known.get(name)
        if known is not None and not known.sight.is_directory:
            del self._known[name]

    def round_ended(self) -> None:
        """Forget what the last look through the whole directory did not meet."""
        self._known = {
            name: known
            for name, known in self._known.items()
            if known.round == self._round
        }
        self._round += 1
        self._overflowed = self._overflowed and len(self._known) >= _MOST

    def _tell(self, sight: Sight, reason: str) -> None:
        self._journal.emit(
            FileLeftAlone(spool=self._spool, file=shown(sight.name), reason=reason)
        )

    def _find(self, sight: Sight) -> _Known | None:
        known = self._known.get(sight.name)
        if known is None:
            return None
        if sight.is_directory and known.sight.status.st_ino == sight.status.st_ino:
            known.round = self._round
            return known
        if not known.sight.is_same(sight.status):
            return None
        known.round = self._round
        return known
