# SPDX-License-Identifier: Apache-2.0
"""What everybody said, and in which life of the machine: the record for the judge.

A *life* is the time between two cuts.  What was said at or after the cut that
ended its life counts as unsaid: it may hold or not.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.power.letters import Letter, Wish, parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something was promised, in a life, at a time of day."""

    life: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy that the server took."""

    life: int
    digest: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Fate:
    """What is known about one recipient."""

    tried: int = -1  # the last life in which the server heard of it
    copies: list[Copy] = field(default_factory=list)
    delivered: Said | None = None  # the daemon told that this is recorded
    failed: Said | None = None
    reports: set[str] = field(default_factory=set)  # Message-IDs of what tells of it


@dataclass(slots=True, kw_only=True)
class Entry:
    """One message: what was promised about it, and what became of it."""

    letter: Letter
    dropped: Said | None = None  # synced and renamed: the file is the promise
    accepted: Said | None = None  # the daemon told that it is stored
    asked: Wish = Wish.NONE  # of the daemon, answered or not
    held: Said | None = None
    removed: Said | None = None
    fates: dict[str, Fate]
    story: list[str] = field(default_factory=list)  # the daemon's words about it

    @property
    def is_promised(self) -> bool:
        return self.dropped is not None or self.accepted is not None

    def said_in(self, life: int) -> Iterator[str]:
        """Yield what was promised in a life."""
        for one in (self, *self.fates.values()):
            for name in _PROMISES:
                said = getattr(one, name, None)
                if said and said.life == life:
                    yield name

    def forget_since(self, cut: Said) -> None:
        """Take what was said at the cut or after it for unsaid."""
        for one in (self, *self.fates.values()):
            for name in _PROMISES:
                if said := getattr(one, name, None):
                    setattr(one, name, _unless_since(cut, said))


_PROMISES = ("dropped", "accepted", "delivered", "failed", "held", "removed")


@dataclass(slots=True, kw_only=True)
class Oddity:
    """A file that is no message: bad, or a draft."""

    name: str
    octets: bytes
    dropped: Said | None = None
    place: str = ""  # in the quarantine, as the daemon told
    quarantined: Said | None = None

    def forget_since(self, cut: Said) -> None:
        """Take what was said at the cut or after it for unsaid."""
        self.dropped = _unless_since(cut, self.dropped)
        self.quarantined = _unless_since(cut, self.quarantined)


class Ledger:
    """Written by all threads, read by the judge."""

    def __init__(self) -> None:
        """Begin before the first life."""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.life = 0
        self.cuts = 0
        self.copies = 0
        self.entries: dict[int, Entry] = {}
        self.bad: dict[int, Oddity] = {}
        self.drafts: dict[int, Oddity] = {}
        self.closed: set[int] = set()  # nothing may be heard of these any more
        self.wrongs: list[str] = []
        self.complaints: list[tuple[Said, str]] = []  # of the daemon, in this life
        self.doubles: dict[int, set[int]] = {}  # messages, by the life cut short
        self.outstanding: Counter[str] = Counter()  # promises met by a cut, by kind

    def said(self, at: float | None = None) -> Said:
        """Return a promise made now."""
        return Said(life=self.life, at=time.time() if at is None else at)

    def expect(self, letter: Letter) -> Entry:
        """Open the account of a message, before anything of it is written."""
        fates = {address: Fate() for address in letter.addresses}
        with self.lock:
            entry = self.entries[letter.key] = Entry(letter=letter, fates=fates)
        return entry

    def tried(self, life: int, address: str) -> None:
        """Note that the server heard of a recipient."""
        with self.lock:
            if fate := self._fate(address):
                fate.tried = life
            else:
                self.wrongs.append(f"{address}: tried, though that must not be")

    def taken(self, life: int, addresses: Iterable[str], digest: bytes) -> None:
        """Note that the server took a copy."""
        with self.changed:
            self.copies += 1
            for address in addresses:
                if fate := self._fate(address):
                    fate.copies.append(Copy(life=life, digest=digest))
            self.changed.notify_all()

    def reported(self, addresses: Iterable[str], name: str) -> None:
        """Note that the server took a report about recipients."""
        with self.changed:
            self.copies += 1
            for address in addresses:
                if fate := self._fate(address):
                    fate.reports.add(name)
            self.changed.notify_all()

    def settled(self, address: str, name: str, said: Said) -> None:
        """Note what the daemon told about a recipient."""
        with self.changed:
            fate = self._fate(address)
            if fate and not getattr(fate, name):  # the first time counts
                setattr(fate, name, said)
            self.changed.notify_all()

    def cut(self, at: float) -> None:
        """End this life; a new one begins."""
        end = self.said(at)
        with self.lock:
            for entry in self.entries.values():
                entry.forget_since(end)
                self.outstanding.update(entry.said_in(self.life))
            for one in (*self.bad.values(), *self.drafts.values()):
                one.forget_since(end)
                if one.quarantined and one.quarantined.life == self.life:
                    self.outstanding["quarantined"] += 1
            self.complaints = [each for each in self.complaints if each[0].at < at]
            self.hear_complaints()
            self.life += 1
            self.cuts += 1

    def complained(self, what: str, said: Said) -> None:
        """Note trouble that the daemon has; from the cut on it may have any."""
        with self.changed:
            self.complaints.append((said, what))
            self.changed.notify_all()

    def hear_complaints(self) -> None:
        """Take the daemon's troubles for broken promises."""
        with self.lock:
            for _, what in self.complaints:
                self.wrong(what)
            self.complaints.clear()

    def wrong(self, what: str) -> None:
        """Note a broken promise."""
        with self.lock:
            self.wrongs.append(f"life {self.life}: {what}")

    def _fate(self, address: str) -> Fate | None:
        _, key, _ = parsed(address)
        entry = self.entries.get(key)
        return entry.fates.get(address) if entry else None


def _unless_since(cut: Said, said: Said | None) -> Said | None:
    late = said is not None and said.life == cut.life and said.at >= cut.at
    return None if late else said
