# SPDX-License-Identifier: Apache-2.0
"""The thread of one spool: it waits for files, looks for them, and takes them.

A thread of its own, so that a slow directory delays nobody else.  What the
kernel reports is handled before what a look through the directory finds, so
that a new mail does not wait behind a hundred thousand old ones.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice

from maildropd.config.model import Form, QueueConfig, SpoolConfig
from maildropd.edge.spool.custom import Scan
from maildropd.edge.spool.directory import DirectoryUnusable, DropDirectory, make
from maildropd.edge.spool.door import Door, Surroundings
from maildropd.edge.spool.folders import loop
from maildropd.edge.spool.rest import NextLook
from maildropd.edge.spool.sight import Sight, is_staged
from maildropd.edge.spool.taker import Taker
from maildropd.host.watch import Changes, DirectoryWatch, WatchRefused
from maildropd.mail.service_events import SpoolUnreachable, SpoolWatched, WatchDegraded

_SLICE = 256  # files looked at between two looks at what the kernel reports
_HEARTBEAT = timedelta(seconds=20)
_SEARCH = timedelta(seconds=2)  # for a directory that is gone, or failed once
_LAST_WAIT = timedelta(seconds=60)
_BREATH = 1.0  # seconds
_NOW = timedelta(0)


class Pickup:
    """Takes mail from one directory, from ``start`` to ``stop``."""

    def __init__(
        self,
        config: SpoolConfig,
        limits: QueueConfig,
        door: Door,
        watch: Callable[[], DirectoryWatch],
        surroundings: Surroundings,
    ) -> None:
        """Begin at rest, with nothing open.

        ``limits`` has the largest message that is taken; ``watch`` makes the
        watch for the time between ``start`` and ``stop``.
        """
        self._config = config
        self._make_watch = watch
        self._watch: DirectoryWatch  # between start and stop
        self._thread: threading.Thread | None = None
        self._journal = surroundings.journal
        self._heartbeats = surroundings.heartbeats
        self._next_look = NextLook(surroundings.clock)
        self._taker = Taker(config, limits, door, surroundings, self._next_look)
        self._custom = self._taker.custom
        self._drop: DropDirectory | None = None
        self._scan: Scan | None = None
        self._unreachable = ""  # why, as it was told
        self._trouble = _SEARCH  # how long to stay away when a look fails
        self._degraded = ""
        self._how = "not started"
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to take mail; ``RuntimeError``: there is no thread to be had."""
        self._watch = self._make_watch()
        name = loop(self._config)
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._watch.close()
            raise
        self._thread = thread

    def stop(self) -> None:
        """Take no more files, bring what was read to its end, then return.

        A disk that hangs is not waited for without limit.
        """
        if self._thread is None:
            return
        self._stopping.set()
        self._watch.wake()
        self._thread.join(_LAST_WAIT.total_seconds())
        if not self._thread.is_alive():
            self._watch.close()
            self._thread = None

    def status(self) -> dict[str, object]:
        """Return name, path and condition, for people."""
        return {
            "name": self._config.name,
            "path": str(self._config.path),
            "works": not self._unreachable,
            "condition": self._unreachable or self._how,
        }

    def _run(self) -> None:
        if self._config.form is Form.DROP:  # a Maildir belongs to its writers
            make(self._config.path)
        while not self._stopping.is_set():
            try:
                self._turn()
            except MemoryError:  # the next look finds what this one left
                self._stopping.wait(_BREATH)
        self._leave()
        self._heartbeats.rest(loop(self._config))

    def _turn(self) -> None:
        self._taker.alive()
        if self._drop is None and not self._next_look.wait:
            self._enter()
        wait = _NOW if self._scan else min(self._next_look.wait, _HEARTBEAT)
        changes = self._watch.wait(wait)
        if self._drop is None:
            return
        try:
            self._work(self._drop, changes)
        except DirectoryUnusable:
            self._leave()
            self._next_look.set(_NOW)
        except OSError as error:
            self._leave()
            self._tell_unreachable(error.strerror or str(error))
            self._next_look.set(min(self._trouble, self._config.poll_interval))
            self._trouble = min(self._trouble * 2, self._config.poll_interval)

    def _work(self, drop: DropDirectory, changes: Changes) -> None:
        if changes.rescan:
            self._next_look.set(_NOW)
        for name in self._finished(changes):
            self._taker.told(name)
        if self._scan is None and not self._next_look.wait:
            self._begin_scan(drop)
        if self._scan is not None:
            self._scan_on(self._scan)
        if self._scan is None:
            self._taker.settle()

    def _begin_scan(self, drop: DropDirectory) -> None:
        drop.check()
        if self._degraded:
            self._begin_watch(drop)
        # Before the look, so that what it finds can ask for an earlier one.
        self._next_look.set(self._config.poll_interval)
        self._taker.round_began()
        self._scan = self._custom.scan(drop.descriptor)

    def _scan_on(self, scan: Scan) -> None:
        """Handle a slice of the directory, the oldest of it first."""
        is_mail = self._custom.is_mail
        names = [os.fsencode(entry.name) for entry in islice(scan, _SLICE)]
        for name in filter(is_staged, names):
            self._taker.staged(name)
        found = (self._taker.look(name) for name in names if is_mail(name))
        for sight in sorted(filter(None, found), key=_age):
            self._taker.take(sight)
        if self._taker.is_hopeless:
            self._end_scan()
        elif len(names) < _SLICE:
            self._end_scan()
            self._taker.round_ended()
            self._trouble = _SEARCH

    def _end_scan(self) -> None:
        if self._scan is not None:
            self._scan.close()
            self._scan = None

    def _enter(self) -> None:
        """Open the directory and watch it, or say why not."""
        try:
            self._drop = DropDirectory(self._config.path)
        except DirectoryUnusable as error:
            self._tell_unreachable(str(error))
            self._next_look.set(min(_SEARCH, self._config.poll_interval))
            return
        self._taker.work_in(self._drop)
        self._unreachable = self._degraded = ""
        # Before the first look, so that no file comes in between unseen.
        self._begin_watch(self._drop)

    def _leave(self) -> None:
        """Bring what was read to its end, and close the directory."""
        if self._drop is not None:
            self._end_scan()
            with suppress(DirectoryUnusable):  # we know, or are on the way out
                self._taker.finish()
            self._drop.close()
            self._drop = None

    def _begin_watch(self, drop: DropDirectory) -> None:
        path = str(self._config.path)
        try:
            how = self._watch.begin(drop.descriptor)
        except WatchRefused as error:
            reason = str(error)
            if reason != self._degraded:
                self._journal.emit(
                    WatchDegraded(spool=self._config.name, path=path, reason=reason)
                )
            self._degraded, self._how = reason, f"poll ({reason})"
            return
        self._degraded, self._how = "", how
        self._journal.emit(SpoolWatched(spool=self._config.name, path=path, watch=how))

    def _finished(self, changes: Changes) -> Iterator[bytes]:
        """Yield the names whose writers are done: closed, or unlocked."""
        unlocked = filter(None, map(self._custom.freed, changes.gone))
        names = dict.fromkeys((*changes.closed, *unlocked))
        return filter(self._custom.is_mail, names)

    def _tell_unreachable(self, reason: str) -> None:
        if reason != self._unreachable:
            self._unreachable = reason
            self._journal.emit(
                SpoolUnreachable(
                    spool=self._config.name, path=str(self._config.path), reason=reason
                )
            )


def _age(sight: Sight) -> int:
    return sight.status.st_mtime_ns
