# SPDX-License-Identifier: Apache-2.0
"""What writers of a Maildir left in ``tmp``: set aside when it is old enough.

It was never let go, so nothing of it is sent; the rules of the Maildir give a
writer 36 hours.
"""

import os
from contextlib import suppress
from datetime import timedelta

from maildropd.config.model import SpoolConfig
from maildropd.edge.spool.directory import DirectoryUnusable, DropDirectory
from maildropd.edge.spool.door import Surroundings
from maildropd.edge.spool.failing import Failing
from maildropd.edge.spool.rest import NextLook, Rest
from maildropd.edge.spool.sight import Sight

_PATIENCE = timedelta(hours=36)
_PAUSE = timedelta(hours=1)


class Unfinished:
    """Looks at ``tmp`` once an hour, on behalf of the thread of ``new``."""

    def __init__(self, config: SpoolConfig, around: Surroundings) -> None:
        """Begin with the next look."""
        self._path = config.path.with_name("tmp")
        self._looks = config.path.name == "new"
        self._expiry = max(config.lock_expiry, _PATIENCE)
        self._clock = around.clock
        rest, next_look = Rest(config.settle_time, around.clock), NextLook(around.clock)
        self._rest = rest
        self._failing = Failing(config, around, rest, next_look)
        self._next = around.clock.monotonic()

    def look(self) -> None:
        """Set aside what nobody will finish, if it is time to look."""
        if not self._looks or self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + _PAUSE
        with suppress(DirectoryUnusable):  # new is told of, and that is enough
            drop = DropDirectory(self._path)
            try:
                self._failing.work_in(drop)
                for name in os.listdir(drop.descriptor):
                    self._judge(drop, os.fsencode(name))
            finally:
                drop.close()
        self._rest.round_ended()

    def _judge(self, drop: DropDirectory, name: bytes) -> None:
        sight = Sight.of(drop.descriptor, name)
        if sight is None or sight.is_directory:
            return
        age = self._rest.locked_for(sight, sight)
        if age >= self._expiry:
            days, hours = age.days, age.seconds // 3600
            reason = f"left in tmp for {days} days and {hours} hours"
            self._failing.set_aside(sight, f"{reason}; its writer never finished it")
