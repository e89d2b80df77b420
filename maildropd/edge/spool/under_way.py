# SPDX-License-Identifier: Apache-2.0
"""Mail that was read, until it is stored and its file is gone.

The order is what keeps it: commit, unlink, sync the directory, and only then
forget the key.  Whatever the step that fails, the file or the row remains,
and as long as both can come back, the key makes one of the two.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from maildropd.edge.spool.custom import Custom
from maildropd.edge.spool.door import Keys
from maildropd.edge.spool.sight import Sight
from maildropd.host import durable
from maildropd.mail.errors import NotYet, TransientError
from maildropd.store.base import Stored

_PATIENCE = 10.0  # seconds between two signs of life


class NotRemoved(TransientError):
    """The mail is stored, and its file cannot be removed."""


class Named(NamedTuple):
    """A file, and its submission key."""

    sight: Sight
    key: str


class UnderWay:
    """Submissions whose end is not known yet, oldest first."""

    def __init__(self, custom: Custom, keys: Keys, alive: Callable[[], None]) -> None:
        """``alive`` is called again and again while the store is waited for."""
        self._custom = custom
        self._keys = keys
        self._alive = alive
        self._waiting: deque[tuple[Named, int, Future[Stored]]] = deque()
        self._stored: dict[str, str] = {}  # keys of files that could not be removed
        self._submitted: set[str] = set()
        self._octets = 0
        self._removed: list[str] = []  # keys; the directory is not synced yet
        self._forgetting: deque[tuple[Future[None], Sequence[str]]] = deque()
        self._unforgotten: set[str] = set()  # keys of files that are gone

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def octets(self) -> int:
        """How large they are together."""
        return self._octets

    def add(self, named: Named, weight: int, stored: Future[Stored]) -> None:
        """Take note of a submission that takes so many octets of memory."""
        self._submitted.add(named.sight.key)
        self._octets += weight
        self._waiting.append((named, weight, stored))

    def has(self, sight: Sight) -> bool:
        """Tell whether this very file is being stored."""
        return sight.key in self._submitted

    def is_mistakable(self, key: str, directory: int) -> bool:
        """Tell whether a new file looks just like one that is gone.

        The store would take it for a repetition, and it would be lost.
        """
        if key not in self._unforgotten:
            return False
        self._forget(directory)
        self._collect(wait=True)
        return key in self._unforgotten

    def settle(self, directory: int, leave: int) -> list[tuple[Sight, BaseException]]:
        """Wait until no more than ``leave`` are under way; return what failed.

        The files of those that are stored are gone then.
        """
        failed = []
        while len(self._waiting) > leave:
            named, weight, stored = self._waiting.popleft()
            sight = named.sight
            error = self._end_of(stored) or self._remove(directory, named)
            self._submitted.discard(sight.key)
            self._octets -= weight
            if error is not None:
                failed.append((sight, error))
        self._forget(directory)
        return failed

    def remove_again(self, directory: int, sight: Sight) -> None:
        """Remove a file that was stored; raise ``NotRemoved`` if it cannot be."""
        named = Named(sight, self._stored[sight.key])
        if error := self._remove(directory, named):
            raise error

    def finish(self, directory: int) -> list[tuple[Sight, BaseException]]:
        """Bring everything to its end, also what was gone before."""
        failed = self.settle(directory, 0)
        self._collect(wait=True)
        return failed

    def _end_of(self, future: Future[Any]) -> BaseException | None:
        while True:
            # A store that hangs breaks its own promise to the watchdog.
            with suppress(TimeoutError):
                return future.exception(_PATIENCE)
            self._alive()

    def _remove(self, directory: int, named: Named) -> Exception | None:
        """Remove what is stored; only then may others have the name."""
        sight, key = named
        try:
            if not self._custom.is_still(directory, sight, key):
                return NotYet("it was written again after it was read")
            os.unlink(sight.name, dir_fd=directory)
        except FileNotFoundError:
            pass  # somebody was faster
        except OSError as error:
            self._stored[sight.key] = key
            return NotRemoved(f"stored, but it cannot be removed ({error.strerror})")
        self._stored.pop(sight.key, None)
        self._custom.release(directory, sight)
        self._removed.append(key)
        self._unforgotten.add(key)
        return None

    def _forget(self, directory: int) -> None:
        """Sync the directory, once for all that was removed, then forget."""
        self._collect(wait=False)
        if not self._removed:
            return
        try:
            durable.sync_names(directory)
        except OSError:
            return  # the files may come back: keep the keys until a sync succeeds
        keys, self._removed = self._removed, []
        self._forgetting.append((self._keys.forget_keys(keys), keys))

    def _collect(self, *, wait: bool) -> None:
        while self._forgetting and (wait or self._forgetting[0][0].done()):
            future, keys = self._forgetting.popleft()
            if self._end_of(future) is None:
                self._unforgotten.difference_update(keys)
            else:
                self._removed.extend(keys)  # with the next batch
