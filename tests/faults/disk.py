# SPDX-License-Identifier: Apache-2.0
"""A disk of our own under the store, to be filled, closed and freed; needs root."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

# Without blocks for root, whom the tests run as.
_EXT4 = ("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^resize_inode")


class Disk:
    """A mounted file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"

    def fill(self) -> None:
        """Leave no block free; as another program would."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 16, 1 << 12, 1 << 10):
                _write_until_full(filler.fileno(), size)
        assert self.free < 1 << 14

    def use_up_inodes(self) -> None:
        """Leave no inode free."""
        many = self.root / "many"
        many.mkdir()
        for number in range(1 << 20):
            try:
                (many / str(number)).touch()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return

    def give_inodes_back(self) -> None:
        for path in (self.root / "many").iterdir():
            path.unlink()

    def empty(self) -> None:
        """Free it again."""
        self._filler.unlink()

    def break_down(self) -> None:
        """Have ext4 find an error, and close itself."""
        device = _answer("findmnt", "-no", "SOURCE", self.root)
        place = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
        place.write_text("1")

    def mend(self, image: Path) -> None:
        """Check it, and mount it anew; nobody may use it."""
        run("umount", self.root)
        subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
        run("mount", "-o", "loop", image, self.root)

    @property
    def free(self) -> int:
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize


def ext4(folder: Path, size: str, *options: str) -> AbstractContextManager[Disk]:
    """Return a small ext4 in an image; mounted while it is entered."""
    image = folder / "disk.img"
    run("truncate", "-s", size, image)
    run(*_EXT4, *options, image)
    return mounted(folder, "-o", "loop", image)


def tmpfs(folder: Path, options: str) -> AbstractContextManager[Disk]:
    """Return a small tmpfs; mounted while it is entered."""
    return mounted(folder, "-t", "tmpfs", "-o", options, "tmpfs")


@contextmanager
def mounted(folder: Path, *what: object) -> Iterator[Disk]:
    root = folder / "disk"
    root.mkdir()
    run("mount", *what, root)
    try:
        yield Disk(root)
    finally:
        run("umount", "--lazy", root)


def run(*words: object) -> None:
    """Run a command that must succeed."""
    _answer(*words)


def _answer(*words: object) -> str:
    if os.geteuid():
        pytest.skip("needs root, to mount a disk")
    done = subprocess.run(
        [str(word) for word in words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout.strip()


def _write_until_full(descriptor: int, size: int) -> None:
    try:
        while True:
            os.write(descriptor, bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
