# SPDX-License-Identifier: Apache-2.0
"""The custom of the drop: writers hide, rename or lock, and only we read."""

import os
from collections.abc import Callable

from maildropd.edge.spool import forms
from maildropd.edge.spool.custom import Forms, Scan
from maildropd.edge.spool.sight import LOCK, Sight

_REMEMBERED = 10_000  # names that are locked


class DropCustom:
    """A ``Custom``: ``NAME.lck`` says that the writer of ``NAME`` is not done."""

    def __init__(self, spool: str, locked: Callable[[Sight, Sight], None]) -> None:
        """``locked`` is told of a lock and its mail, and sees to them."""
        self._spool = spool
        self._locked = locked
        self._waiting: dict[bytes, None] = {}  # names with a lock that counts

    @property
    def forms(self) -> Forms:
        """MaildropHost's, and a plain message."""
        return forms

    @property
    def is_shared(self) -> bool:
        """Nobody else does."""
        return False

    def is_mail(self, name: bytes) -> bool:
        """Tell whether a name may be a mail's: not hidden, no draft, no lock."""
        return not name.startswith(b".") and not name.endswith((b".tmp", LOCK))

    def freed(self, name: bytes) -> bytes | None:
        """Return what was unlocked by whoever may lock it."""
        mail = name.removesuffix(LOCK)
        if mail == name or mail not in self._waiting:
            return None
        del self._waiting[mail]
        return mail

    def scan(self, directory: int) -> Scan:
        """Take names as they come: there may be a million."""
        return os.scandir(directory)

    def may_take(self, directory: int, sight: Sight) -> bool:
        """Tell whether it is not locked."""
        lock = sight.lock(directory)
        if lock:
            self._waiting[sight.name] = None
            if len(self._waiting) > _REMEMBERED:  # the others settle, in time
                del self._waiting[next(iter(self._waiting))]
            self._locked(lock, sight)
        return lock is None

    def claim(self, directory: int, sight: Sight) -> None:
        """Do nothing: the lock on the directory keeps other daemons off."""

    def is_ours(self, directory: int, sight: Sight) -> bool:
        """Tell whether its writer has not come back."""
        return sight.lock(directory) is None

    def release(self, directory: int, sight: Sight) -> None:
        """Do nothing."""

    def key(self, sight: Sight, digest: Callable[[], str]) -> str:
        """Return what names this version of this file: two spools share none."""
        del digest  # nobody else touches it, and 25 MB would be read twice
        return f"drop:{self._spool}:{sight.key}"

    def is_still(self, directory: int, sight: Sight, key: str) -> bool:
        """Tell whether it was not written again."""
        del key
        found = os.stat(sight.name, dir_fd=directory, follow_symlinks=False)
        return sight.is_same(found)
