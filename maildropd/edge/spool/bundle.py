# SPDX-License-Identifier: Apache-2.0
"""A file of several mails: each is stored for itself, the file goes when all are.

What is refused for good keeps the file, and stops no other mail of it; the
keys of the frames make one mail of each, however often the file is read.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from maildropd.edge.entry import Passed
from maildropd.edge.spool.admission import Carried
from maildropd.edge.spool.sight import Sight
from maildropd.mail.errors import PermanentError
from maildropd.policy.quota import QuotaExceeded
from maildropd.store.base import Stored

_OCTETS = 8 * 1024 * 1024  # in memory until they are stored
_PATIENCE = 10.0  # seconds between two signs of life
_FILES = 1000  # whose mails are remembered; else they are repetitions, no more
_TOLD = 5

Submit = Callable[[Passed], Future[Stored]]


class Refused(PermanentError):
    """Some mails of a file are refused; the text says which, and that others went."""


class Together(Future[Stored]):
    """Done when everything that was added is; holds the error that matters most."""

    def __init__(self) -> None:
        """Wait for nothing yet."""
        super().__init__()
        self._lock = threading.Lock()
        self._open = 1  # what is not done, and whoever adds
        self._stored: Stored | None = None
        self._failed: BaseException | None = None  # for now: the file has to stay
        self._refused: list[tuple[str, PermanentError]] = []
        self._number = 0

    def add(self, stored: Future[Stored], key: str) -> None:
        """Wait for this one, too."""
        with self._lock:
            self._open += 1
            self._number += 1
        stored.add_done_callback(partial(self._one_done, key))

    def note(self, key: str, what: Stored | BaseException | None) -> None:
        """Take note of one that was stored before, or is not even submitted."""
        with self._lock:
            self._number += 1
            self._note(key, what)

    def close(self) -> None:
        """Add nothing more."""
        self._less()

    def _one_done(self, key: str, stored: Future[Stored]) -> None:
        with self._lock:
            self._note(key, stored.exception() or stored.result())
        self._less()

    def _note(self, key: str, what: Stored | BaseException | None) -> None:
        match what:
            case PermanentError():
                self._refused.append((key, what))
            case BaseException():
                self._failed = self._failed or what
            case _:
                self._stored = what

    def _less(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open:
                return
        if self._failed or self._refused:
            self.set_exception(self._failed or _together(self._refused, self._number))
        else:
            assert self._stored is not None
            self.set_result(self._stored)


class Bundles:
    """Submits the mails of files that have several."""

    def __init__(self, submit: Submit, alive: Callable[[], None]) -> None:
        """``alive`` is called again and again while the store is waited for."""
        self._submit = submit
        self._alive = alive
        # Of files that wait: a mail that was stored takes no quota once more.
        self._done: dict[str, dict[str, Stored]] = {}

    def done(self, sight: Sight) -> dict[str, Stored]:
        """Return which mails of a file are stored, by key."""
        if len(self._done) >= _FILES:
            self._done.clear()
        return self._done.setdefault(sight.key, {})

    def submit(self, sight: Sight, mails: Iterable[Carried]) -> Future[Stored]:
        """Have each stored; the future is done when all are."""
        together, done = Together(), self.done(sight)
        waiting: deque[tuple[int, Future[Stored]]] = deque()
        octets = 0
        for mail in mails:
            if mail.passed is None:
                together.note(mail.key, done.get(mail.key) or mail.error)
                if isinstance(mail.error, QuotaExceeded):
                    break  # the others are his, too
                continue
            stored = self._submit(mail.passed)
            stored.add_done_callback(partial(_remember, done, mail.key))
            together.add(stored, mail.key)
            waiting.append((mail.size, stored))
            octets += mail.size
            while octets > _OCTETS:
                size, oldest = waiting.popleft()
                self._wait(oldest)
                octets -= size
        together.close()
        together.add_done_callback(partial(self._forget, sight.key))
        return together

    def _wait(self, stored: Future[Stored]) -> None:
        while not stored.done():
            with suppress(TimeoutError):
                stored.exception(_PATIENCE)
            self._alive()

    def _forget(self, key: str, together: Future[Stored]) -> None:
        if isinstance(together.exception(), PermanentError | None):
            self._done.pop(key, None)


def _remember(done: dict[str, Stored], key: str, stored: Future[Stored]) -> None:
    if stored.exception() is None:
        done[key] = stored.result()


def _together(
    refused: Sequence[tuple[str, PermanentError]], number: int
) -> PermanentError:
    if number == 1:
        return refused[0][1]
    told = "; ".join(f"{key}: {error}" for key, error in refused[:_TOLD])
    more = f"; and {len(refused) - _TOLD} more" if len(refused) > _TOLD else ""
    others = "nothing was sent"
    if number > len(refused):
        others = "the others were sent, and are passed over for two days"
    return Refused(
        f"{len(refused)} of its {number} mails are refused, {others}: {told}{more}"
    )
