# SPDX-License-Identifier: Apache-2.0
"""A watch by inotify, through pyinotify; its only home.

pyinotify loses a whole batch of events over one name that is not UTF-8, so it
only makes the descriptor and the watch; the events are read here.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

from maildropd.host.watch import Changes, PollWatch, WatchRefused

# <sys/inotify.h>
_CLOSE_WRITE = 0x8
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_DELETE = 0x200
_DELETE_SELF = 0x400
_MOVE_SELF = 0x800
_UNMOUNT = 0x2000
_OVERFLOW = 0x4000
_IGNORED = 0x8000
_ONLY_DIRECTORY = 0x1000000

_CLOSED = _CLOSE_WRITE | _MOVED_TO
_GONE = _DELETE | _MOVED_FROM
_SELF = _DELETE_SELF | _MOVE_SELF
_RESCAN = _SELF | _UNMOUNT | _OVERFLOW | _IGNORED
_MASK = _CLOSED | _GONE | _SELF
_NOTHING = (-1, b"")

_EVENT = struct.Struct("iIII")
_BUFFER = 64 * 1024


class InotifyWatch:
    """A watch that the kernel wakes; without the kernel's leave, it waits."""

    def __init__(self) -> None:
        """Begin with no directory."""
        self._poll = PollWatch()
        self._descriptor = -1
        self._above = _NOTHING  # the watch above, and our name there

    def begin(self, directory: int) -> str:
        """Watch the very directory that is open, whatever its path means now."""
        self._end()
        try:
            library = _load()
        except ImportError as error:
            raise WatchRefused(f"pyinotify cannot be used: {error}") from error
        troubles = (OSError, library.PyinotifyError, library.WatchManagerError)
        try:
            manager = library.WatchManager()
            self._start(manager, directory)
        except troubles as error:
            self._end()
            raise WatchRefused(str(error)) from error
        with suppress(*troubles):  # then its removal is noticed a little later
            self._watch_above(manager, directory)
        return "inotify"

    def _start(self, manager: Any, directory: int) -> None:
        self._descriptor = manager.get_fd()
        os.set_inheritable(self._descriptor, False)
        os.set_blocking(self._descriptor, False)
        self._poll.add_input(self._descriptor)
        _add(manager, directory, _MASK)

    def _watch_above(self, manager: Any, directory: int) -> None:
        """Have the removal of the directory noticed.

        The kernel reports it on the directory itself only when nobody has it
        open any more, and we do.
        """
        name = os.path.basename(os.readlink(f"/proc/self/fd/{directory}"))
        above = os.open("..", os.O_PATH | os.O_CLOEXEC, dir_fd=directory)
        try:
            self._above = _add(manager, above, _GONE), os.fsencode(name)
        finally:
            os.close(above)

    def wait(self, timeout: timedelta) -> Changes:
        """Wait for the kernel, for time to pass, or for ``wake``."""
        if self._descriptor not in self._poll.wait_for_input(timeout):
            return Changes()
        with suppress(BlockingIOError):
            return changes(os.read(self._descriptor, _BUFFER), self._above)
        return Changes()

    def wake(self) -> None:
        """End a wait."""
        self._poll.wake()

    def close(self) -> None:
        """Let go of the kernel's watch and of what wakes."""
        self._end()
        self._poll.close()

    def _end(self) -> None:
        if self._descriptor >= 0:
            self._poll.drop_input(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self._above = _NOTHING


def changes(data: bytes, above: tuple[int, bytes] = _NOTHING) -> Changes:
    """Read what the kernel wrote, in order; names are octets and stay so.

    ``above`` is the watch on the directory above, and the name of ours in it.
    """
    closed: dict[bytes, None] = {}
    gone: dict[bytes, None] = {}
    rescan = False
    for watch, mask, name in _events(data):
        if mask & _RESCAN or (watch, name) == above:
            rescan = True
        elif watch == above[0]:
            continue
        elif mask & _CLOSED:
            closed[name] = None
        elif mask & _GONE:
            gone[name] = None
    return Changes(closed=tuple(closed), gone=tuple(gone), rescan=rescan)


def _events(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        yield watch, mask, data[at : at + length].rstrip(b"\0")
        at += length


def _add(manager: Any, directory: int, mask: int) -> int:
    """Watch the inode that is open, whatever its path means by now."""
    path = f"/proc/self/fd/{directory}"
    return int(manager.add_watch(path, mask | _ONLY_DIRECTORY, quiet=False)[path])


def _load() -> Any:
    """Import pyinotify, and keep it from what it should not do."""
    pyinotify = _imported()
    # It would run ldconfig to find the C library that is loaded already.
    here = SimpleNamespace(find_library=lambda _: None)
    pyinotify.ctypes = SimpleNamespace(**{**vars(ctypes), "util": here})
    # And it would print, past all events, to the standard error.
    pyinotify.log.handlers.clear()
    return pyinotify


def _imported() -> Any:
    """Import it, on Python 3.12 and later too, where its asyncore is no more.

    Only a base class is taken from there, for a notifier we do not use.
    """
    if find_spec("asyncore"):
        return _pyinotify()
    stub = ModuleType("asyncore")
    vars(stub)["file_dispatcher"] = type("file_dispatcher", (), {})
    sys.modules["asyncore"] = stub
    try:
        return _pyinotify()
    finally:
        sys.modules.pop("asyncore", None)


def _pyinotify() -> Any:
    import pyinotify  # noqa: PLC0415 - 40 ms that polling need not pay

    return pyinotify
