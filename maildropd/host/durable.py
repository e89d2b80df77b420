# SPDX-License-Identifier: Apache-2.0
"""Files that are wholly there after a power cut, or not there at all.

A write may stop half way; a new name may be forgotten.  So the content is
synced before it gets its name, and the directory after.  Every file we own
is written here, so that one test can break each step in turn.
"""

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path


def create(
    path: Path,
    pieces: Iterable[bytes],
    mode: int = 0o600,
    unfinished: Path | None = None,
) -> None:
    """Make a new file; on return its octets and its name survive a power cut.

    Nothing is ever replaced: raise ``FileExistsError`` instead.  Whatever is
    raised, also by ``pieces``, there is no such file then.  Where it is made
    may be said, on the same file system.
    """
    unfinished = unfinished or path.with_name(f".{path.name}.tmp")
    remove(unfinished)  # a crash may have left one
    with ExitStack() as undo:
        descriptor = _open(unfinished, mode)
        undo.callback(_forget, unfinished)
        _fill(descriptor, pieces)
        # Unlike a rename, a link refuses a name that is taken.
        os.link(unfinished, path)
        undo.callback(_forget, path)
        os.unlink(unfinished)
        sync_directory(path.parent)
        undo.pop_all()


def replace(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file anew; whoever reads it finds the old one or the new one, whole.

    On return it is the new one, also after a power cut; after an error it may
    be either.
    """
    unfinished = path.with_name(f".{path.name}.tmp")
    remove(unfinished)  # a crash may have left one
    with ExitStack() as undo:
        descriptor = _open(unfinished, mode)
        undo.callback(_forget, unfinished)
        _fill(descriptor, pieces)
        os.rename(unfinished, path)
        undo.pop_all()
    sync_directory(path.parent)


def extend(descriptor: int, pieces: Iterable[bytes]) -> None:
    """Add to a file that is open for appending; on return it is on disk.

    Whatever is raised, also by ``pieces``, the file is as long as before then.
    """
    size = os.fstat(descriptor).st_size
    with ExitStack() as undo:
        undo.callback(_shorten, descriptor, size)
        _write(descriptor, pieces)
        os.fsync(descriptor)
        undo.pop_all()


def remove(path: Path) -> None:
    """Take a file away, if it is there; a power cut may bring it back."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make a directory, and those above it, unless they are there."""
    if not os.path.isdir(path):
        make_directory(path.parent, 0o755)
        with suppress(FileExistsError):
            os.mkdir(path, mode)
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory, as they are now, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_names(descriptor)
    finally:
        os.close(descriptor)


def sync_names(directory: int) -> None:
    """Do the same for a directory that is open."""
    os.fsync(directory)
    # An XFS that has shut itself down after an error has nothing to write any
    # more, and says that all is well; but it answers no question either.
    os.fstat(directory)


def _open(path: Path, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, mode)


def _fill(descriptor: int, pieces: Iterable[bytes]) -> None:
    try:
        _write(descriptor, pieces)
        # A failed sync is final: the kernel may have dropped the pages, and a
        # second call would report success.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _shorten(descriptor: int, size: int) -> None:
    with suppress(OSError):  # we are on the way out with the first error
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)


def _forget(path: Path) -> None:
    with suppress(OSError):  # we are on the way out with the first error
        os.unlink(path)
