# SPDX-License-Identifier: Apache-2.0
"""File descriptors: how many there may be, and a few that are kept for need."""

import os
import resource
from contextlib import suppress
from pathlib import Path

LIMITS = Path("/proc/self/limits")
_USUAL = 1024
_ENOUGH = 65_536  # more would only make a leak last longer


def allowed(limits: Path = LIMITS) -> int:
    """Raise the limit to what this process may have; return what it is then.

    The service may not ask the kernel for it, but can read it.
    """
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
        return soft
    with suppress(OSError, ValueError):
        for line in limits.read_text(encoding="ascii").splitlines():
            if line.startswith("Max open files"):
                return int(line.split()[3])
    return _USUAL


class Spare:
    """A few descriptors that are given up when there are no others."""

    def __init__(self, number: int = 2) -> None:
        """Take them."""
        self._number = number
        self._held: list[int] = []
        self.take()

    def take(self) -> bool:
        """Take as many as are missing; tell whether that is all of them."""
        with suppress(OSError):
            while len(self._held) < self._number:
                self._held.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        return len(self._held) == self._number

    def give_up(self) -> None:
        """Close them, so that somebody else can open something."""
        while self._held:
            os.close(self._held.pop())
