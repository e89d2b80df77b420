# SPDX-License-Identifier: Apache-2.0
"""A small disk of our own under store and drops, to be filled and freed."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

_SIZE = "768M"  # sparse; room for all that waits while a relay is away


class Disk:
    """An ext4 image, mounted while it is entered; needs root."""

    def __init__(self, folder: Path) -> None:
        """Name the folder that gets the image and the mount point."""
        self.image = folder / "disk.img"
        self.root = folder / "disk"
        self._filler = self.root / "filler"

    def __enter__(self) -> Self:
        """Make and mount it."""
        self.root.mkdir()
        _run("truncate", "-s", _SIZE, self.image)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        _run("mount", "-o", "loop,noatime", self.image, self.root)
        (self.root / "lost+found").rmdir()
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount it; the image stays.

        Where something went wrong, a writer may still have a file open.
        """
        _run("umount", "--lazy", self.root)

    def fill(self, left: int) -> None:
        """Leave so many octets free."""
        with suppress(OSError), self._filler.open("ab") as filler:
            free = self.free
            if free > left:
                at = os.fstat(filler.fileno()).st_size
                os.posix_fallocate(filler.fileno(), at, free - left)

    def empty(self) -> None:
        """Free it again."""
        self._filler.unlink(missing_ok=True)

    @property
    def free(self) -> int:
        """How many octets are free."""
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)
