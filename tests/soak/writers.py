# SPDX-License-Identifier: Apache-2.0
"""Programs that leave mail in a drop, each in its own lawful manner.

A letter is posted when its writer has done its part; a writer whose disk is
full takes back what it has begun, and has posted nothing.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.soak.books import Books
from tests.soak.letters import Letter, letter
from tests.soak.plan import SPOOLS

_PATIENCE = 0.5  # seconds; half the settle time of the drops with bare files
_FLOOD = 17_000  # more than fs.inotify.max_queued_events
_AWKWARD = (b"%s", b"%s with spaces", b"\xff\xfe%s", b"%s" + b"x" * 200, b"-%s")


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A letter that is being written."""

    letter: Letter
    spool: str
    manner: str
    place: bytes
    descriptor: int
    written: int = 0


class Writers:
    """All programs that leave mail."""

    def __init__(self, root: Path, books: Books, seed: int) -> None:
        """``root`` has the drops in it."""
        self._root = os.fsencode(root)
        self._books = books
        self._seed = seed
        self._drafts: dict[int, _Draft] = {}
        self._keys: dict[bytes, str] = {}  # by path: who lies there, last

    def leave(self, spool: str, manner: str, size: str, numbers: str) -> None:
        """Leave some letters at one go; a bare one must not wait for the others."""
        one_by_one = manner == "bare"
        for number in numbers.split(","):
            self.begin(spool, manner, size, number)
            if one_by_one:
                self.finish(number)
        for number in numbers.split(","):
            self.finish(number)

    def begin(self, spool: str, manner: str, size: str, number: str) -> None:
        """Begin to write a letter."""
        begun = letter(self._seed, int(number), size)
        place = self.place(spool, int(number))
        try:
            # A lock of root counts beside a file of anybody, one of another owner
            # does not: the file gets its owner under the one, then the lock does.
            if manner == "locked":
                os.close(_open(place + b".lck", 0))
            descriptor = _open(_aside(place, manner), begun.uid)
            if manner == "locked":
                os.chown(place + b".lck", begun.uid, -1)
        except OSError:  # no room: this writer gives up
            _remove(place + b".lck")
            return
        self._drafts[int(number)] = _Draft(
            letter=begun,
            spool=spool,
            manner=manner,
            place=place,
            descriptor=descriptor,
        )

    def push(self, number: str) -> None:
        """Write a third of what is left."""
        draft = self._drafts.get(int(number))
        if draft is not None:
            rest = len(draft.letter.octets) - draft.written
            with suppress(OSError):  # seen again at the end
                self._write(draft, rest // 3)

    def finish(self, number: str) -> None:
        """Write the rest, and hand it over."""
        draft = self._drafts.pop(int(number), None)
        if draft is None:
            return
        began = monotonic()
        aside = _aside(draft.place, draft.manner)
        try:
            try:
                self._write(draft, len(draft.letter.octets))
                if draft.manner not in ("unsynced", "bare"):
                    os.fsync(draft.descriptor)
            finally:
                os.close(draft.descriptor)
            if aside != draft.place:
                os.rename(aside, draft.place)
        except OSError:
            _remove(aside)
        else:
            self._posted(draft.place, draft.letter, draft.spool)
            if draft.manner == "bare" and monotonic() - began > _PATIENCE:
                self._books.overwritten[draft.letter.key] = ""
        if draft.manner == "locked":
            _remove(draft.place + b".lck")

    def finish_all(self) -> None:
        """Let every writer come to its end."""
        for number in list(self._drafts):
            self.finish(str(number))

    def replace(self, spool: str, size: str, numbers: str) -> None:
        """Rename new letters over letters that lie there."""
        for number, place in self._victims(spool, numbers):
            fresh = letter(self._seed, number, size)
            aside = _aside(self.place(spool, number), "renamed")
            self._books.overwritten[self._keys[place]] = fresh.key
            try:
                _fill(aside, fresh)
                os.rename(aside, place)
            except OSError:
                _remove(aside)
            else:
                self._posted(place, fresh, spool)

    def rewrite(self, spool: str, size: str, numbers: str) -> None:
        """Write letters anew in place, under a lock that counts for any owner."""
        for number, place in self._victims(spool, numbers):
            self._write_over(place, letter(self._seed, number, size), spool)

    def rewrite_one(self, spool: str, old: str, number: str) -> None:
        """The same with one letter, and a larger one."""
        fresh = letter(self._seed, int(number), "huge")
        self._write_over(self.place(spool, int(old)), fresh, spool)

    def _write_over(self, place: bytes, fresh: Letter, spool: str) -> None:
        try:
            os.close(_open(place + b".lck", 0))
        except OSError:
            return
        self._books.overwritten[self._keys[place]] = fresh.key
        try:
            _fill(place, fresh)
        except OSError:
            _remove(place)
        else:
            self._posted(place, fresh, spool)
        _remove(place + b".lck")

    def flood(self, spool: str, numbers: str) -> None:
        """Scribble more than the kernel can report, and leave letters in between."""
        hidden = self._root + b"/" + spool.encode() + b"/.scribble"
        for turn in range(_FLOOD):
            with suppress(OSError):
                os.close(_open(hidden + b"-%d" % (turn % 2), 0))
        self.leave(spool, "renamed", "small", numbers)
        for name in (b"-0", b"-1"):
            _remove(hidden + name)

    def lying(self) -> set[str]:
        """Return the names of what waits in the drops, as the log has them."""
        return {
            name.decode("utf-8", "backslashreplace")
            for spool in SPOOLS
            for name in os.listdir(self._root + b"/" + spool.encode())
            if not name.endswith(b".lck")
        }

    def _victims(self, spool: str, numbers: str) -> list[tuple[int, bytes]]:
        """Return some of the letters that lie in a drop, finished."""
        folder = self._root + b"/" + spool.encode() + b"/"
        names = set(os.listdir(folder))
        places = [
            folder + name
            for name in sorted(names)
            if folder + name in self._keys and name + b".lck" not in names
        ]
        return list(zip(map(int, numbers.split(",")), places, strict=False))

    def place(self, spool: str, number: int) -> bytes:
        """Return where a letter is left."""
        name = _AWKWARD[number % len(_AWKWARD)] % b"m%07d" % number
        return self._root + b"/" + spool.encode() + b"/" + name

    def _write(self, draft: _Draft, most: int) -> None:
        end = min(draft.written + most, len(draft.letter.octets))
        while draft.written < end:
            piece = draft.letter.octets[draft.written : end]
            draft.written += os.write(draft.descriptor, piece)

    def _posted(self, place: bytes, posted: Letter, spool: str) -> None:
        self._keys[place] = posted.key
        self._books.post(posted, spool)


def _aside(place: bytes, manner: str) -> bytes:
    """Return where a letter is written before it has its name."""
    folder, _, name = place.rpartition(b"/")
    match manner:
        case "renamed" | "unsynced":
            return folder + b"/." + name
        case "tmp":
            return place + b".tmp"
        case _:
            return place


def _open(path: bytes, uid: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o640)
    # At once: a lock counts only beside a file of the same owner.
    os.fchown(descriptor, uid, -1)
    return descriptor


def _fill(path: bytes, fresh: Letter) -> None:
    descriptor = _open(path, fresh.uid)
    try:
        rest = memoryview(fresh.octets)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
