# SPDX-License-Identifier: Apache-2.0
"""Which unit of systemd a process belongs to: a label for people.

The service's /proc shows no processes of others, but the cgroup tree is there
for everybody to read.  Whoever submits does so again: where a process was
found last is looked at first.
"""

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_TREES = ("", "unified", "systemd")
_REMEMBERED = 8
_MOST = 2000  # groups are looked at; a host with more gets fewer labels
_PROCESSES = "cgroup.procs"


class Units:
    """Finds the unit of a process that is alive."""

    def __init__(self, cgroups: Path = CGROUPS) -> None:
        """Look into the tree that systemd keeps its units in, if there is one."""
        trees = (cgroups / tree for tree in _TREES)
        # Not Path.is_dir: where a tree is closed to us, that raises.
        found = [tree for tree in trees if os.path.isdir(tree / "system.slice")]
        self._tree = found[0] if found else None
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)

    def of(self, pid: int) -> str | None:
        """Return the system unit's name, or None; never raise."""
        if self._tree is None or pid <= 0:
            return None
        wanted = b"%d" % pid
        for folder in self._recent:
            if _holds(folder, wanted):
                return self._unit(folder)
        with suppress(OSError):
            for number, (folder, _, _) in enumerate(os.walk(self._tree)):
                if number > _MOST:
                    break
                if _holds(folder, wanted):
                    self._recent.appendleft(folder)
                    return self._unit(folder)
        return None

    def _unit(self, folder: str) -> str | None:
        """Return the first part below the slices: of a user's units, his manager.

        What runs below that is named by the user himself.
        """
        for part in Path(folder).relative_to(self._tree or "/").parts:
            if "." in part and not part.endswith(".slice"):
                return part
        return None


def _holds(folder: str, pid: bytes) -> bool:
    try:
        descriptor = os.open(os.path.join(folder, _PROCESSES), os.O_RDONLY)
    except OSError:
        return False
    try:
        return pid in os.read(descriptor, 65_536).split()
    except OSError:
        return False
    finally:
        os.close(descriptor)
