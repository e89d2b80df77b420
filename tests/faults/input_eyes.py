# SPDX-License-Identifier: Apache-2.0
"""Who opens what in a directory: the kernel's word, for counting reads."""

import ctypes
import os
import select
import struct
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

# <sys/inotify.h>
_ACCESS = 0x1
_OPEN = 0x20
_EVENT = struct.Struct("iIII")


class Eyes:
    """Count how often each name in a directory is opened, while entered."""

    def __init__(self, folder: Path) -> None:
        """Begin to look."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._descriptor >= 0
        watch = self._libc.inotify_add_watch(
            self._descriptor, os.fsencode(folder), _ACCESS | _OPEN
        )
        assert watch >= 0
        self._counts: Counter[bytes] = Counter()
        self._on_read: tuple[bytes, Callable[[], None]] | None = None
        self._closing = os.eventfd(0)
        self._lock = threading.Lock()
        self._hearing = threading.Lock()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._closing, 1)
        self._thread.join(10)
        os.close(self._descriptor)
        os.close(self._closing)

    def opened(self, name: str | bytes) -> int:
        """Return how often a name was opened so far, whoever has heard of it."""
        self._hear()
        with self._lock:
            return self._counts[os.fsencode(name)]

    def when_read(self, name: str, act: Callable[[], None]) -> None:
        """Do something, once, when something is read from this file."""
        with self._lock:
            self._on_read = os.fsencode(name), act

    def _look(self) -> None:
        while True:
            ready, _, _ = select.select([self._descriptor, self._closing], [], [])
            if self._closing in ready:
                return
            self._hear()

    def _hear(self) -> None:
        with self._hearing:
            try:
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:  # another thread was faster, or there is nothing
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            name = data[at - length : at].rstrip(b"\0")
            with self._lock:
                self._counts[name] += bool(mask & _OPEN)
                act = self._on_read
                hit = mask & _ACCESS and act is not None and act[0] == name
                self._on_read = None if hit else act
            if hit and act is not None:
                act[1]()
