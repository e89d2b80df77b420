# SPDX-License-Identifier: Apache-2.0
"""Files that are left alone: said once, and read again ever more rarely.

Most stay as they are until somebody changes them.  But a disk may read again,
a full quarantine may be emptied, and our own bug may have been the weather:
so each is tried again after minutes, and then after hours.
"""

from dataclasses import dataclass
from datetime import timedelta

from maildropd.edge.spool.sight import Sight, shown
from maildropd.host.clock import Clock
from maildropd.mail.event import Journal
from maildropd.mail.events import FileLeftAlone

# Remembered, and told; anybody can make a million directories in a drop.
_MOST = 10_000
_FIRST = timedelta(minutes=5)
_SLOWEST = timedelta(hours=4)


@dataclass(slots=True)
class _Known:
    sight: Sight
    reason: str  # as it was told
    stored: bool
    round: int
    pause: timedelta = _FIRST
    again: timedelta = timedelta(0)  # by the stop-watch


class LeftAlone:
    """What is known of files that could neither be taken nor set aside."""

    def __init__(self, spool: str, journal: Journal, clock: Clock) -> None:
        """Know nothing."""
        self._spool = spool
        self._journal = journal
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        self._round = 0
        self._overflowed = False

    def tell(self, sight: Sight, reason: str) -> None:
        """Say why a file is still there, unless that was said before."""
        known = self._find(sight) or self._learn(sight)
        if known is None:
            if not self._overflowed:
                self._overflowed = True
                self._say(sight, f"{reason}; and so are more than {_MOST} others")
        elif known.reason != reason:
            known.reason = reason
            self._say(sight, reason)

    def rest(self, sight: Sight, *, stored: bool = False) -> None:
        """Do not try again for a while: at first for minutes, then for hours."""
        known = self._find(sight) or self._learn(sight)
        if known is None:
            return
        known.stored = stored
        known.again = self._clock.monotonic() + known.pause
        known.pause = min(known.pause * 2, _SLOWEST)

    def rests(self, sight: Sight) -> bool:
        """Tell whether this file, as it is, needs no look now."""
        if not self._known:
            return False
        known = self._find(sight)
        return known is not None and self._clock.monotonic() < known.again

    def stored(self, sight: Sight) -> Sight | None:
        """Return a file as it was stored, if only its removal is left to do."""
        known = self._known.get(sight.name)
        if known is None or not known.stored or self._find(sight) is None:
            return None
        return known.sight

    def forget(self, name: bytes) -> None:
        """Look at it anew: something happened to it, perhaps before the last look.

        What was said of it then is not said again, unless it is another by now.
        """
        known = self._known.get(name)
        if known and not known.stored and not known.sight.is_directory:
            known.again, known.pause = timedelta(0), _FIRST

    def round_ended(self) -> None:
        """Forget what the last look through the whole directory did not meet."""
        self._known = {
            name: known
            for name, known in self._known.items()
            if known.round == self._round
        }
        self._round += 1
        self._overflowed = self._overflowed and len(self._known) >= _MOST

    def _say(self, sight: Sight, reason: str) -> None:
        self._journal.emit(
            FileLeftAlone(spool=self._spool, file=shown(sight.name), reason=reason)
        )

    def _learn(self, sight: Sight) -> _Known | None:
        if len(self._known) >= _MOST and sight.name not in self._known:
            return None
        known = _Known(sight, "", stored=False, round=self._round)
        self._known[sight.name] = known
        return known

    def _find(self, sight: Sight) -> _Known | None:
        known = self._known.get(sight.name)
        if known is None or not _is_same(known, sight):
            return None
        known.round = self._round
        return known


def _is_same(known: _Known, sight: Sight) -> bool:
    """A new mode may be what a file waits for, but what is stored is stored."""
    old, new = known.sight, sight
    if new.is_directory:
        return old.is_directory and old.status.st_ino == new.status.st_ino
    if not old.is_same(new.status):
        return False
    return known.stored or old.status.st_ctime_ns == new.status.st_ctime_ns
