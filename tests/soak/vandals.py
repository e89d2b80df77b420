# SPDX-License-Identifier: Apache-2.0
"""What must not be delivered, and must stop nothing: all of it lies in a drop."""

import os
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

from tests.soak.books import Books

_TOO_LARGE = 7 * 1024 * 1024
_TEXT = b"Subject: x\n\nx\n"
_OCTETS = {
    "empty": b"",
    "only marks": b"##To:a@example.net\n##From:b@example.org\n",
    "no colon": b"##To:a@example.net\n##From\n" + _TEXT,
    "no recipient": b"##To:\n##From:b@example.org\n" + _TEXT,
    "bad address": b"##To:a@b@c <\n##From:b@example.org\n" + _TEXT,
    "too large": b"##To:a@example.net\n##From:b@example.org\n" + _TEXT,
    "abandoned": b"##To:a@example.net\n##From:b@example.org\n" + _TEXT,
    "two names": b"##To:a@example.net\n##From:b@example.org\n" + _TEXT,
}
_LONG_AGO = 7200  # seconds; longer than the lock expiry of the soak


class Vandals:
    """All programs that leave what is no mail."""

    def __init__(self, root: Path, books: Books) -> None:
        """``root`` has the drops in it; what is no mail is made beside them."""
        self._root = root
        self._books = books
        self._elsewhere = root / "elsewhere"
        self._elsewhere.mkdir()

    def spoil(self, spool: str, kind: str, number: str) -> None:
        """Leave one thing."""
        name = f"bad{number}"
        aside, place = self._elsewhere / name, self._root / spool / name
        with suppress(OSError):  # no room: then it has not come
            if kind == "directory":
                place.mkdir()
            elif kind == "abandoned":
                _lock(place)
                _write(aside, _OCTETS[kind])
                _age(aside)
                aside.rename(place)
            else:
                _make(aside, kind)
                if kind == "two names":
                    os.link(aside, place)
                else:
                    aside.rename(place)
            self._books.spoilt[name] = kind


def _make(path: Path, kind: str) -> None:
    match kind:
        case "symlink":
            path.symlink_to("/etc/passwd")
        case "pipe":
            os.mkfifo(path)
        case "socket":
            listener = socket.socket(socket.AF_UNIX)
            with listener:
                listener.bind(str(path))
        case "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        case _:
            _write(path, _OCTETS[kind])
            if kind == "too large":
                os.truncate(path, _TOO_LARGE)


def _lock(place: Path) -> None:
    lock = place.with_name(place.name + ".lck")
    lock.touch()
    _age(lock)


def _age(path: Path) -> None:
    long_ago = time.time() - _LONG_AGO
    os.utime(path, (long_ago, long_ago))


def _write(path: Path, octets: bytes) -> None:
    try:
        path.write_bytes(octets)
    except OSError:
        path.unlink(missing_ok=True)
        raise
