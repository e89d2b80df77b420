# SPDX-License-Identifier: Apache-2.0
"""Mails that lie in the drop under a name which nobody takes.

One rename lets all of them leave, or none: the way from a vote to a commit.
"""

import errno
import os

from maildropd.client.errors import Unavailable


class Staged:
    """A file of several mails, on disk; ``release`` or ``discard`` it.

    It may be pickled, and released by another process.
    """

    __slots__ = ("_drop", "_key", "_released")

    def __init__(self, drop: str, key: str) -> None:
        """Stand for ``.KEY`` in the drop; without a key, for no mail at all."""
        self._drop = drop
        self._key = key
        self._released = not key

    def release(self) -> None:
        """Let all of it leave; again changes nothing.

        Raise ``Unavailable`` only if nothing was released.
        """
        if self._released:
            return
        try:
            os.rename(self._path("."), self._path())
        except OSError as error:
            raise Unavailable(self._why(error)) from error
        self._released = True
        _sync(self._path())

    def discard(self) -> None:
        """Let none of it leave; what is gone or released is left alone."""
        if self._released:
            return
        self._released = True
        try:
            os.unlink(self._path("."))
        except OSError:
            return  # it is never taken, and set aside in time

    def __repr__(self) -> str:
        """Say where it is."""
        state = "released or discarded" if self._released else "waits"
        return f"Staged({self._path('.') if self._key else 'nothing'}, {state})"

    def _path(self, before: str = "") -> str:
        return f"{self._drop}/{before}{self._key}"

    def _why(self, error: OSError) -> str:
        if error.errno == errno.ENOENT:
            return (
                f"{self._path('.')}: what was staged is gone, nothing is sent; it was "
                "discarded, or lay there so long that the daemon has set it aside"
            )
        return f"{self._path('.')}: {error.strerror}, nothing is sent; try again"


def _sync(path: str) -> None:
    """Take the new name to the disk; by now it is for the daemon to be faster."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # it is taken already
    try:
        os.fsync(file)
    except OSError:
        return  # it is released, and whoever hears of an error would send it again
    finally:
        os.close(file)
