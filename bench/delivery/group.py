# SPDX-License-Identifier: Apache-2.0
"""Everything one side runs, in a control group: its processor time, its processes.

The kernel counts those that have ended, too, whoever waited for them.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.waiting import until

_SYNCS = "trace=fsync,fdatasync,sync_file_range,syncfs,sync,msync"


class Group:
    """One control group; whatever is started in it stays in it."""

    def __init__(self, tree: Path, name: str, traced: Path | None = None) -> None:
        """Make it; with a file, the syncs of all that is started go there."""
        self._traced = traced
        self._path = tree / f"maildropd-bench-{os.getpid()}-{name}"
        self._path.mkdir()

    def around(self) -> list[str]:
        """Return what is put before a command to have it run in here."""
        procs = shlex.quote(str(self._path / "cgroup.procs"))
        around = ["/bin/sh", "-c", f'echo $$ >{procs} && exec "$@"', "sh"]
        if self._traced:
            # -D: what is started, not strace, is our child.
            around += ["/usr/bin/strace", "-DfqqA", "-o", str(self._traced)]
            around += ["-e", _SYNCS, "-e", "signal=none", "--"]
        return around

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start something that talks to nobody."""
        return subprocess.Popen(
            [*self.around(), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    def cpu(self) -> float:
        """Return the processor seconds used until now."""
        stat = (self._path / "cpu.stat").read_text().split()
        return int(stat[stat.index("usage_usec") + 1]) / 1e6

    def pids(self) -> list[int]:
        """Return the processes there are."""
        return [int(pid) for pid in (self._path / "cgroup.procs").read_text().split()]

    def end(self) -> None:
        """Kill what is left, and remove the group."""
        (self._path / "cgroup.kill").write_text("1")
        until(lambda: not self.pids(), "all have ended", limit=30)
        self._path.rmdir()


@contextmanager
def group(tree: Path, name: str, traced: Path | None = None) -> Iterator[Group]:
    """Have a group for a while; nothing in it lives on."""
    made = Group(tree, name, traced)
    try:
        yield made
    finally:
        made.end()


def mounted() -> Path:
    """Mount the tree of all groups, in mounts of our own."""
    # Where nothing is ever removed with all that is below it.
    tree = Path("/mnt")
    subprocess.run(["/usr/bin/mount", "-t", "cgroup2", "none", tree], check=True)
    return tree
