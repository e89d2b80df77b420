# SPDX-License-Identifier: Apache-2.0
"""``python3 -m tests.power.probe ext4 FOLDER``: what a cut takes, and what it leaves.

Prints the files of a disk after a cut, as JSON; tests/power/test_disk.py says
which of them had to be there.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.power.disk import KINDS, Disk, sync, write

OLD, NEW = b"old" * 3000, b"new" * 3000


def main(kind: str, folder: str) -> None:
    """Write with and without care, cut, and look; kind ``wait`` waits instead."""
    with ExitStack() as stack:
        disk = Disk(Path(folder), "disk", kind if kind in KINDS else "ext4")
        stack.callback(disk.unmount)
        if kind == "wait":
            sys.stdout.write("mounted\n")
            sys.stdout.flush()
            sys.stdin.read()
        for name in ("synced", "before-rename", "unlinked", "overwritten"):
            write(disk.place / name, OLD)
        sync(disk.place)
        write(disk.place / "synced-without-its-name", NEW)
        # From here on nothing is synced; ext4's journal would keep it all.
        write(disk.place / "unsynced", NEW, synced=False)
        write(disk.place / "overwritten", NEW, synced=False)
        (disk.place / "before-rename").rename(disk.place / "after-rename")
        (disk.place / "unlinked").unlink()
        disk.cut()
        disk.replace()
        disk.mount()
        found = {path.name: told(path) for path in disk.place.iterdir()}
        sys.stdout.write(json.dumps(found))


def told(path: Path) -> str:
    """Say what is in a file."""
    if path.is_dir():
        return "directory"
    return {OLD: "old", NEW: "new", b"": "empty"}.get(path.read_bytes(), "odd")


if __name__ == "__main__":
    main(*sys.argv[1:])
