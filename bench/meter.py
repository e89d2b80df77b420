# SPDX-License-Identifier: Apache-2.0
"""What processes cost: processor time, memory, wake-ups; read from /proc.

A process may end while it is looked at; then it counts no more, but its time
is in that of the parent that waited for it.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PACE = 0.5

Pids = Callable[[], Iterable[int]]


def everybody() -> list[int]:
    """Return the pids of all processes we can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def within(root: Path) -> list[int]:
    """Return the pids of the processes whose root is a directory, or below it."""
    found = []
    for pid in everybody():
        with suppress(OSError):
            place = Path(os.readlink(f"/proc/{pid}/root"))
            if place == root or root in place.parents:
                found.append(pid)
    return found


def cpu(pids: Iterable[int]) -> float:
    """Return the seconds processes have used, with the children they waited for."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            total += seconds(Path(f"/proc/{pid}/stat"))
    return total


def seconds(stat: Path) -> float:
    """Return the same of one process, or of one thread alone."""
    # For a thread, too, the last two are its process's children.
    last = 13 if stat.parent.parent.name == "task" else 15
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:last])) / _TICKS


def memory(pids: Iterable[int], field: str = "Pss") -> float:
    """Return the sum of their memory in MB: Pss, Rss or the like."""
    return sum(_kilobytes(f"/proc/{pid}/smaps_rollup", field) for pid in pids) / 1024


def highest(pid: int) -> float:
    """Return the largest resident set a process ever had, in MB."""
    return _kilobytes(f"/proc/{pid}/status", "VmHWM") / 1024


def wakeups(pids: Iterable[int]) -> int:
    """Return how often their threads have been given a processor."""
    total = 0
    for pid in pids:
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            with suppress(OSError):
                lines = status.read_text().splitlines()
                total += sum(
                    int(line.split()[1]) for line in lines if "ctxt_switches" in line
                )
    return total


class Peak:
    """The largest sum of proportional memory seen, looked at twice a second.

    To look at a thousand processes takes its time: then it is done less often.
    """

    def __init__(self, pids: Pids) -> None:
        self.megabytes = 0.0
        self.processes = 0
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        pause = _PACE
        while not self._over.wait(pause):
            began = time.monotonic()
            pids = list(self._pids())
            self.processes = max(self.processes, len(pids))
            self.megabytes = max(self.megabytes, memory(pids))
            pause = max(_PACE, 20 * (time.monotonic() - began))


def _kilobytes(path: str, field: str) -> int:
    with suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
