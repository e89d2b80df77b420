# SPDX-License-Identifier: Apache-2.0
"""What a daemon does with files of its drop, as scenes that may break at any call."""

import errno
import hashlib
import json
import os
import random
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from maildropd.config.model import QueueConfig, SpoolConfig
from maildropd.edge.spool.door import Door
from maildropd.edge.spool.pickup import Pickup
from maildropd.edge.spool.sight import Sight
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.watch import Changes
from maildropd.mail.envelope import Submission
from maildropd.mail.event import Event
from maildropd.mail.events import MessageAccepted, MessageQuarantined
from maildropd.mail.service_events import InternalError
from maildropd.store.base import Stored
from maildropd.store.injector import Injector, QueueIds
from tests.fakes.clock import FakeClock
from tests.fakes.gate import open_admission
from tests.fakes.journal import FakeJournal
from tests.faults.steps_shim import Fault
from tests.faults.steps_store import copied, opened
from tests.faults.steps_trial import Reins, Say
from tests.unit.spool.stage import MAIL, HandWatch

_HOUR = timedelta(hours=1)
_TURNS = 4
_LATER = MAIL + b"later\n"
LIMITS = QueueConfig()

Found = dict[str, Any]
Lay = Callable[[Path], object]


def _mute(_: str) -> None:
    """Nobody listens."""


class Around:
    """What a daemon has around it; events are passed on as they come."""

    def __init__(self, say: Say, ahead: timedelta) -> None:
        self.clock = FakeClock()
        self.clock.time = datetime.now(UTC) + ahead
        self.heartbeats = Heartbeats(self.clock)
        self.journal = self
        self._kept = FakeJournal()
        self._say = say

    def emit(self, event: Event) -> None:
        self._kept.emit(event)
        if isinstance(event, InternalError):
            self._say(f"bug: {event.traceback}")
        if isinstance(event, (MessageAccepted, MessageQuarantined)):
            self._say(type(event).__name__)


class TellingDoor:
    """Injector and keys that say how far they came."""

    def __init__(self, injector: Injector, keys: Any, say: Say) -> None:
        self._injector = injector
        self._keys = keys
        self._say = say

    def submit(self, submission: Submission) -> "Future[Stored]":
        self._say("read")  # first: after it another thread may come to the last call
        return self._injector.submit(submission)

    def forget_keys(self, keys: Sequence[str]) -> "Future[None]":
        forgotten: Future[None] = self._keys.forget_keys(keys)
        return forgotten


class Daemon:
    """A store, and one spool that is turned by hand."""

    def __init__(self, folder: Path, say: Say, ahead: timedelta = _HOUR) -> None:
        self.around = Around(say, ahead)
        self.store = opened(folder, str(random.random()))
        ids = QueueIds(self.around.clock, random.getrandbits)
        injector = Injector(
            self.store, self.around, ids, LIMITS, on_accepted=lambda: None
        )
        door = TellingDoor(injector, self.store, say)
        config = SpoolConfig(
            name="drop", path=folder / "drop", quarantine=folder / "quarantine"
        )
        self.watch = HandWatch()
        passage = open_admission(folder, LIMITS)
        both = Door(injector=door, keys=door, admission=passage)
        self.pickup = Pickup(config, LIMITS, both, HandWatch, self.around)
        self.pickup._watch = self.watch

    def turn(self) -> None:
        """Go on, until all that waits for time has had it."""
        for _ in range(_TURNS):
            self.pickup._turn()
            self.around.clock.forward(timedelta(minutes=1))

    def close(self) -> None:
        self.pickup._leave()
        self.store.close()


@dataclass(slots=True, kw_only=True)
class SpoolScene:
    """Some files in the drop, and what becomes of them in the end."""

    lay: Lay
    ahead: timedelta = _HOUR
    closed: tuple[bytes, ...] = ()  # the kernel reports them
    aside: bool = False  # it is no mail
    refused: bytes = b""  # the disk does not give it to the first daemon
    renames_cross: bool = False
    sampled: bool = True
    after: Found = field(default_factory=dict)

    def learn(self, before: Found, after: Found) -> None:
        assert before["end"] == after["end"], "without a fault, two ends"
        self.after = after["end"]

    def live(self, folder: Path, reins: Reins, say: Say) -> None:
        (folder / "drop").mkdir()
        self.lay(folder)
        note_keys(folder)
        daemon = Daemon(folder, say, self.ahead)
        _refuse(self.refused)
        reins.begin()
        if self.closed:
            daemon.watch.reports.extend([Changes(), Changes(closed=self.closed)])
        daemon.turn()
        daemon.pickup._leave()
        reins.end()
        (folder / "drop" / "later").write_bytes(_LATER)
        daemon.turn()
        daemon.close()
        assert not (folder / "drop" / "later").exists(), "no mail is taken any more"
        say("later")

    def judge(self, folder: Path, *, again: bool) -> Found:
        know_again(folder)
        facts = look(folder)
        _never_neither(folder, facts)
        _recover(folder)
        end = look(folder)
        if again:
            _recover(folder)
            assert look(folder) == end, "another start finds something else"
        return {"facts": facts, "end": end}

    def verdict(self, said: list[str], found: Found, _fault: Fault) -> str | None:
        facts, end = found["facts"], found["end"]
        later = said.count("later")
        stored = list(end["stored"])
        if later != stored.count(_hash(_content(_LATER))):
            return "the mail after it is not there once"
        if later:
            stored.remove(_hash(_content(_LATER)))
        if said.count("MessageAccepted") > len(facts["stored"]):
            return f"told accepted, and stored is {facts['stored']}"
        if said.count("MessageQuarantined") > len(facts["aside"]):
            return f"told quarantined, and there is {facts['aside']}"
        for what in ("drop", "aside", "old"):
            if set(end[what]) != set(self.after[what]) and what not in end["excused"]:
                return f"{what}: {end[what]} is not {self.after[what]}"
        if stored != self.after["stored"]:
            return f"stored: {stored} is not {self.after['stored']}"
        return None

    def place(self, said: list[str], found: Found, done: list[str]) -> str:
        if self.aside:
            move = "unlink" if self.renames_cross else "rename"
            return aside_place(move, found["facts"], done)
        return place(said, found["facts"], done)


def _refuse(name: bytes) -> None:
    """Let this process, which is about to end, never open a file of this name."""
    really_open = os.open

    def refusing(path: Any, *values: Any, **more: Any) -> int:
        if name and path == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_open(path, *values, **more)

    os.open = refusing


def aside_place(move: str, facts: Found, done: list[str]) -> str:
    """Name the step on the way to the quarantine."""
    moved = {f"{move} bad", f"{move} empty"} & set(done)
    if done == ["all"] or (moved and done[-1] == "sync drop"):
        return "3"
    if moved:
        return "2"
    if facts["aside"]:
        return "2, as a copy, before the file is removed"
    written = [call for call in done if call.startswith("sync ")]
    return "1" if "sync quarantine" in written else "in 1"


def place(said: list[str], facts: Found, done: list[str]) -> str:
    """Name the step after which it was stopped, as docs/QUEUE.md counts them."""
    everything = done == ["all"]
    removed = everything or "unlink one" in done
    if facts["stored"] or removed:
        steps = {
            "8": not facts["keys"],
            "7": "sync drop" in done,
            "6": removed,
            "5, after the commit": True,
        }
        return next(name for name, holds in steps.items() if holds)
    return "5, before the commit" if "read" in said else "1, 2, 3, 4"


def look(folder: Path) -> Found:
    """Return what is where, without starting anything."""
    drop, quarantine = folder / "drop", folder / "quarantine"
    files = _names(quarantine)
    aside = [name for name in files if not name.endswith((".reason", ".lck"))]
    old = {name: (quarantine / name).read_bytes().decode() for name in _old(folder)}
    rows, keys, orphans = _rows(folder)
    return {
        "drop": sorted(os.listdir(drop)),
        "stored": rows,
        "keys": keys,
        "orphans": orphans,
        "aside": sorted({_hash_of(quarantine / name) for name in aside} - _hashes(old)),
        "copies": len(aside),
        "reasons": sum(name.endswith(".reason") for name in files),
        "unexplained": [
            n for n in aside if f"{n}.reason" not in files and n not in old
        ],
        "locks": sum(name.endswith(".lck") for name in files),
        "old": old,
        "excused": _excused(drop),
    }


def _excused(drop: Path) -> list[str]:
    """A lock whose mail was set aside is nobody's: a crash may leave it behind."""
    names = os.listdir(drop)
    return ["drop"] if names == ["locked.lck"] else []


def _names(quarantine: Path) -> list[str]:
    if not quarantine.is_dir():
        return []
    return [name for name in os.listdir(quarantine) if not name.startswith(".")]


def _old(folder: Path) -> list[str]:
    return [name for name in _names(folder / "quarantine") if name.endswith("-old")]


def _hashes(old: dict[str, str]) -> set[str]:
    return {_hash(text.encode()) for text in old.values()}


def _rows(folder: Path) -> tuple[list[str], int, int]:
    """Return the digests of what is stored, and count keys and orphans."""
    state = folder / "state"
    with copied(state) as database:
        rows = database.execute("SELECT sha256, file FROM message").fetchall()
        (keys,) = database.execute("SELECT count(*) FROM submission").fetchone()
    named = {file for _, file in rows}
    orphans = [name for name in os.listdir(state / "content") if name not in named]
    return sorted(digest.hex()[:12] for digest, _ in rows), keys, len(orphans)


def _never_neither(folder: Path, facts: Found) -> None:
    """Each file is in the drop, in the store, or in the quarantine with its reason."""
    laid = json.loads((folder.parent / "laid.json").read_text())
    for name, (octets, content) in laid["contents"].items():
        there = name in facts["drop"]
        kept = content in facts["stored"] or octets in facts["aside"]
        kept |= name.endswith(".lck") and facts["locks"] > 0
        assert there or kept or not laid["keys"].get(name), f"{name} is nowhere"
    assert not facts["unexplained"], f"without a reason: {facts['unexplained']}"


def note_keys(folder: Path) -> None:
    """Write down what is in the drop now, and by what key it will be known.

    Beside the folder, where nothing breaks.
    """
    drop = folder / "drop"
    files = [each for each in drop.iterdir() if each.is_file()]
    files = [each for each in files if not each.is_symlink()]
    contents = {
        path.name: (_hash_of(path), _hash(_content(path.read_bytes())))
        for path in files
    }
    laid = {"keys": _keys(drop), "contents": contents}
    (folder.parent / "laid.json").write_text(json.dumps(laid))


def _keys(drop: Path) -> dict[str, str]:
    descriptor = os.open(drop, os.O_RDONLY)
    try:
        sights = [Sight.of(descriptor, os.fsencode(name)) for name in os.listdir(drop)]
    finally:
        os.close(descriptor)
    return {os.fsdecode(one.name): one.key for one in sights if one}


def know_again(folder: Path) -> None:
    """After a power cut a file has its old inode; in our copy it has a new one."""
    laid = json.loads((folder.parent / "laid.json").read_text())["keys"]
    changed = {
        laid[name]: key
        for name, key in _keys(folder / "drop").items()
        if laid.get(name, key) != key
    }
    if changed and (folder / "state" / "queue.db").exists():
        with closing(sqlite3.connect(folder / "state" / "queue.db")) as database:
            for old, new in changed.items():
                query = "UPDATE submission SET key = replace(key, ?, ?)"
                database.execute(query, (old, new))
            database.commit()


def _recover(folder: Path) -> None:
    daemon = Daemon(folder, _mute)
    daemon.turn()
    daemon.close()


def _content(octets: bytes) -> bytes:
    """Return what is stored of a mail in the form of ``MAIL``."""
    return octets.split(b"\n", 2)[-1]


def _hash(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()[:12]


def _hash_of(path: Path) -> str:
    return _hash(path.read_bytes() if path.is_file() else b"")
