# SPDX-License-Identifier: Apache-2.0
"""Whether a file is at rest, and when to look again.

By the wall clock where that makes sense.  A file from the future, which a
clock set back leaves behind, is as old as our first look at it; and nothing is
older than the last change of the clock itself, as far as anybody knows.
"""

from datetime import timedelta

from maildropd.edge.spool.sight import Sight
from maildropd.host.clock import Clock

_NOW = timedelta(0)
_AGES = 1e12  # seconds
_MOST = 10_000  # files from the future that are remembered; anybody can make them


class Rest:
    """Judges by the last change of a file: of its content, name or mode."""

    def __init__(self, settle_time: timedelta, clock: Clock) -> None:
        """A file is at rest when nothing changed for the settle time."""
        self._settle_time = settle_time
        self._clock = clock
        self._first_seen: dict[tuple[int, int, int], timedelta] = {}
        self._seen: set[tuple[int, int, int]] = set()

    def remaining(self, sight: Sight) -> timedelta:
        """Return how long the file still has to rest; zero or less: it may be taken."""
        changed = max(sight.status.st_mtime, sight.status.st_ctime)
        return self._settle_time - self._age(sight, changed)

    def locked_for(self, lock: Sight, sight: Sight) -> timedelta:
        """Return for how long neither a lock nor its mail has changed."""
        return min(self._age(each, each.status.st_mtime) for each in (lock, sight))

    def _age(self, sight: Sight, changed: float) -> timedelta:
        seconds = self._clock.wall().timestamp() - changed
        # Some file systems take any time for a file's, to the end of the sun.
        age = timedelta(seconds=min(max(seconds, -_AGES), _AGES))
        status = sight.status
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if age < _NOW or version in self._first_seen:
            if version not in self._first_seen and len(self._first_seen) >= _MOST:
                return _NOW  # its turn comes when some of the others are gone
            now = self._clock.monotonic()
            self._seen.add(version)
            age = max(age, now - self._first_seen.setdefault(version, now))
        return min(age, self._clock.undisturbed())

    def round_ended(self) -> None:
        """Forget what the last look through the whole directory did not meet."""
        for version in self._first_seen.keys() - self._seen:
            del self._first_seen[version]
        self._seen.clear()


class NextLook:
    """When the directory is to be looked through again."""

    def __init__(self, clock: Clock) -> None:
        """Look at once."""
        self._clock = clock
        self._at = clock.monotonic()

    def set(self, delay: timedelta) -> None:
        """Look after this time, whatever was wanted before."""
        self._at = self._clock.monotonic() + delay

    def within(self, delay: timedelta) -> None:
        """Look after this time, or earlier if that was wanted already."""
        self._at = min(self._at, self._clock.monotonic() + delay)

    @property
    def wait(self) -> timedelta:
        """How long until then; zero when it is due."""
        return max(self._at - self._clock.monotonic(), _NOW)
