# SPDX-License-Identifier: Apache-2.0
"""Submissions as the drop takes them (docs/SUBMISSION.md), on disk when we say so.

A file of one frame, or of several: a bundle, whose name is that of the first.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

from maildropd.client.values import Submission

_PIECE = 1024 * 1024


class NotInDrop(Exception):
    """The drop did not take it, and nothing of it is there; the text says why."""


def staged(drop: str, submissions: Sequence[Submission]) -> str:
    """Write them into the drop, hidden; return what the name will be.

    Raise ``NotInDrop``.
    """
    name = os.urandom(16).hex()
    try:
        os.close(_written(f"{drop}/.{name}", submissions))
    except OSError as error:
        raise NotInDrop(f"{drop}: {error.strerror or error}") from error
    return name


def leave(drop: str, one: Submission) -> None:
    """Leave one submission there, to be sent; raise ``NotInDrop``."""
    hidden = f"{drop}/.{os.urandom(16).hex()}"  # another may leave the same just now
    path = f"{drop}/{one.key}"
    try:
        file = _written(hidden, (one,))
        try:
            _named(file, hidden, path)
        finally:
            os.close(file)
    except OSError as error:
        raise NotInDrop(f"{drop}: {error.strerror or error}") from error


def frame(one: Submission) -> Iterator[bytes]:
    """Yield the octets of one frame."""
    words = ["maildropd.api", "-i", "-f", one.sender or ""]
    for option, value in (("-N", one.notify), ("-R", one.ret), ("-V", one.envid)):
        words += [option, value] if value else []
    words += [f"-XV{one.verp}"] if one.verp else []
    words += ["--", *one.recipients]
    parts = ["#!sendmail", one.key, str(len(words)), *words, f"{one.size}\n"]
    yield "\0".join(parts).encode("utf-8", "surrogateescape")
    yield one.content
    yield b"0\n"


def _written(path: str, submissions: Sequence[Submission]) -> int:
    """Return the file, open and synced; leave nothing behind if that fails."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(path, flags, 0o640)
    try:
        os.fchmod(file, 0o640)
        for piece in _pieces(submissions):
            _write_all(file, piece)
        os.fsync(file)
    except OSError:
        os.close(file)
        _removed(path)
        raise
    return file


def _named(file: int, hidden: str, path: str) -> None:
    name = hidden
    try:
        os.rename(hidden, path)
        name = path
        os.fsync(file)  # takes the new name along
    except OSError:
        # What is gone by now is taken: it is safe, whatever this disk says.
        if _removed(name):
            raise


def _pieces(submissions: Iterable[Submission]) -> Iterator[bytes]:
    """Join small pieces, so that few writes are needed and little memory is."""
    held: list[bytes] = []
    octets = 0
    for one in submissions:
        for piece in frame(one):
            held.append(piece)
            octets += len(piece)
            if octets >= _PIECE:
                yield b"".join(held)
                held, octets = [], 0
    yield b"".join(held)


def _write_all(file: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(file, rest) :]


def _removed(path: str) -> bool:
    """Remove a file; tell whether it was still there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a hidden one is never taken
    return True
