# SPDX-License-Identifier: Apache-2.0
"""A file system that can lose its power: an image, mounted through a loop device.

A cut is the file system's own shutdown without a last flush: from then on
neither data nor journal reaches the image.  The image is copied before the
dead file system is unmounted, so nothing the unmount writes counts.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
_WITHOUT_LOG = 2  # not even the journal in memory is written
_SIZE = "96M"

# What each kind can show, beyond that an unsynced file is lost:
# ext4: a journal shared by all, so any sync keeps every rename and unlink
#   before it.  A name left unsynced is lost only if nobody else synced since;
#   that is why the load has lulls, and why drop and store may lie on two disks.
# xfs: the same with another order, and another answer to a file that grew.
# Never written: what the kernel would have written back by itself after five
# seconds or more (commit=600); a life here is shorter.  What all kinds keep is
# what reached the device: losing its own cache is the kernel's matter, each
# sync ends with a flush.
KINDS: Mapping[str, tuple[str, str]] = {
    "ext4": (
        """mkfs.ext4 -q -F -b 4096 -m0 -J size=4 -I 256 -N 8192
        -E lazy_itable_init=0,lazy_journal_init=0""",
        "commit=600",
    ),
    "xfs": ("mkfs.xfs -q -f -K", "nodiscard"),
}
_LARGER: Mapping[str, str] = {"xfs": "320M"}


def kinds() -> list[str]:
    """Return what this machine can make."""
    path = f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"
    return [kind for kind in KINDS if shutil.which(f"mkfs.{kind}", path=path)]


class Disk:
    """One image in a folder, and the place where it is mounted."""

    def __init__(self, folder: Path, name: str, kind: str) -> None:
        """Make the file system, and mount it."""
        self._kind = kind
        self._image = folder / f"{name}.img"
        self.last = folder / f"{name}.cut.img"  # as the last cut left it
        self.place = folder / name
        self.place.mkdir()
        make, _ = KINDS[kind]
        run("truncate", "-s", _LARGER.get(kind, _SIZE), self._image)
        run(*make.split(), self._image)
        self.mount()

    def mount(self) -> None:
        """Mount it; the kernel replays the journal."""
        options = f"loop,{KINDS[self._kind][1]}"
        run("mount", "-t", self._kind, "-o", options, self._image, self.place)

    def cut(self) -> None:
        """Take the power away; whoever has files open must go now."""
        descriptor = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        finally:
            os.close(descriptor)

    def replace(self) -> None:
        """Go on, unmounted, with what the image was at the cut."""
        run("cp", "--sparse=always", self._image, self.last)
        run("umount", self.place)
        run("cp", "--sparse=always", self.last, self._image)

    def unmount(self) -> None:
        """Let go of it in peace, whether it is mounted or not."""
        if os.path.ismount(self.place):
            run("umount", self.place)


def workshops() -> tuple[Path, Path]:
    """Return two new folders: one in memory, if that has room, and one on disk.

    What the images are on does not matter to what they keep, but to how long
    a sync takes, and so to where the cuts fall.
    """
    memory, there = Path("/dev/shm"), tempfile.gettempdir()
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
    fast = tempfile.mkdtemp(dir=memory if roomy else there, prefix="maildropd-power-")
    slow = tempfile.mkdtemp(dir=there, prefix="maildropd-power-")
    return Path(fast), Path(slow)


def write(path: Path, octets: bytes, *, synced: bool = True) -> None:
    """Write a file, from its start; on return its octets survive a cut."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        rest = memoryview(octets)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(directory: Path) -> None:
    """Sync the names in a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(*words: str | Path) -> None:
    """Run a command of the system; what it says comes with the error."""
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr.strip()}"
