# SPDX-License-Identifier: Apache-2.0
"""Noticing new names in a directory.

A watch only ever shortens the wait for the next look: whoever uses one must
stay correct when it reports nothing at all.
"""

import os
import select
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


class WatchRefused(Exception):
    """The kernel, or a missing library, allows no watch; look from time to time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What was noticed in one wait."""

    closed: tuple[bytes, ...] = ()  # written and closed, or renamed to this name
    gone: tuple[bytes, ...] = ()  # removed, or renamed away
    rescan: bool = False  # something was missed, or the directory itself changed


class DirectoryWatch(Protocol):
    """A watch on one directory at a time, used by one thread."""

    def begin(self, directory: int) -> str:
        """Watch the directory behind a descriptor; return how, for people.

        A former watch ends.  Raise ``WatchRefused`` if there can be none; the
        watch then still waits, and can be woken.
        """
        ...

    def wait(self, timeout: timedelta) -> Changes:
        """Return what changed, or nothing after the time-out or a ``wake``."""
        ...

    def wake(self) -> None:
        """End a wait, now or the next one; callable from any thread."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class PollWatch:
    """No watch at all: waits, and is woken."""

    def __init__(self) -> None:
        """Make what wakes."""
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._waker, select.POLLIN)

    def begin(self, directory: int) -> str:
        """Do nothing: looking is the user's business."""
        del directory
        return "poll"

    def wait(self, timeout: timedelta) -> Changes:
        """Wait for time to pass, or for ``wake``."""
        self.wait_for_input(timeout)
        return Changes()

    def wait_for_input(self, timeout: timedelta) -> set[int]:
        """Wait; return the descriptors, beside our own, that have something."""
        # Rounded up: a wait that ends a moment early is made again at once.
        ready = {fd for fd, _ in self._poll.poll(-(timeout // -_MILLISECOND))}
        if self._waker in ready:
            os.eventfd_read(self._waker)
        return ready - {self._waker}

    def add_input(self, descriptor: int) -> None:
        """Let a wait end when this descriptor has something to be read."""
        self._poll.register(descriptor, select.POLLIN)

    def drop_input(self, descriptor: int) -> None:
        """Undo ``add_input``; the descriptor must still be open."""
        self._poll.unregister(descriptor)

    def wake(self) -> None:
        """End a wait."""
        os.eventfd_write(self._waker, 1)

    def close(self) -> None:
        """Let go of what wakes; nobody may call ``wake`` afterwards."""
        os.close(self._waker)


_MILLISECOND = timedelta(milliseconds=1)
