# SPDX-License-Identifier: Apache-2.0
"""Opening, closing and checkpointing a store, as scenes that may break at any call."""

import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from maildropd.mail.errors import MailError
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema
from maildropd.store.sqlite import SqliteStore
from tests.faults.steps_shim import Fault
from tests.faults.steps_store import Found, logical, look, opened, recovered
from tests.faults.steps_transitions import LARGE
from tests.faults.steps_trial import Reins, Say, in_child
from tests.unit.store.stage import WAIT, Stage, submission

_RESERVE = 300_000  # octets; as small as the log's own reserve may be
_EXTRA = [b"Subject: one more\r\n\r\n"]

Before = Callable[[Path], None]


@dataclass(slots=True, kw_only=True)
class OpeningScene:
    """A start or an end: whatever breaks, all mail is there afterwards."""

    before: Before
    closes: bool = False
    renames_cross: bool = False
    sampled: bool = True
    expected: Found | None = None

    def learn(self, before: Found, after: Found) -> None:
        assert logical(before) == logical(after)
        self.expected = logical(after)

    def live(self, folder: Path, reins: Reins, say: Say) -> None:
        in_child(lambda _: self.before(folder))
        if self.closes:
            store = _reserving(folder)
            reins.begin()
        else:
            reins.begin()
            store = self._open(folder, reins, say)
        store.close()
        say("done")
        reins.end()
        self._go_on(folder, say)

    def _open(self, folder: Path, reins: Reins, say: Say) -> SqliteStore:
        """Start; systemd does it again where the disk is well again."""
        try:
            return _reserving(folder)
        except MailError as error:
            say(f"refused: {error}")
        reins.end()
        return _reserving(folder)

    def _go_on(self, folder: Path, say: Say) -> None:
        store = _reserving(folder)
        stage = Stage(store)
        for _ in "three are taken":
            next(stage.ids)
        stage.submit(submission(content=_EXTRA, key="extra"))
        say("extra")
        store.close()

    def judge(self, folder: Path, *, again: bool) -> Found:
        facts = look(folder) if (folder / "state" / "queue.db").exists() else {}
        found = recovered(folder)
        if again:
            assert found == recovered(folder), "another start finds something else"
        return {**found, "facts": facts}

    def verdict(self, said: list[str], found: Found, _fault: Fault) -> str | None:
        if found["keys"].pop("extra", False) is not ("extra" in said):
            return "the mail after it is not there"
        messages = [each for each in found["messages"] if each["octets"] != "extra"]
        if self.expected is None:
            return "nothing was learnt"
        wanted = {one["octets"]: one for one in self.expected["messages"]}
        rest = {one["octets"]: one for one in messages}
        missing = [one for one in wanted if rest.get(one) != wanted[one]]
        if missing or len(rest) != len(wanted) + ("extra" in said):
            return f"{rest} is not {wanted}"
        if found["keys"] != self.expected["keys"]:
            return f"{found['keys']} is not {self.expected['keys']}"
        return None

    def place(self, said: list[str], found: Found, done: list[str]) -> str:
        return ""


def _reserving(folder: Path) -> SqliteStore:
    """Open a store that holds blocks of the disk, as the daemon's does."""
    store = opened(folder, str(os.getpid()))
    store.configure(_RESERVE)
    store.forget_keys([]).exception(WAIT)  # behind it
    return store


def _nothing(folder: Path) -> None:
    """There is no store yet."""


def _some_mail(folder: Path) -> SqliteStore:
    store = _reserving(folder)
    stage = Stage(store)
    stage.submit(submission(key="small"))
    stage.submit(submission(content=LARGE, key="large"))
    return store


def _closed(folder: Path) -> None:
    _some_mail(folder).close()


def _killed(folder: Path) -> None:
    Stage(_some_mail(folder)).claim()
    os.kill(os.getpid(), signal.SIGKILL)


def _orphaned(folder: Path) -> None:
    _closed(folder)
    for name in (".4XK2.tmp", "4XK2"):
        (folder / "state" / "content" / name).write_bytes(b"of no row")


def openings() -> Mapping[str, Mapping[str, OpeningScene]]:
    """Return the scenes of each way to begin, and of the end."""
    return {
        "open": {
            "a new store": OpeningScene(before=_nothing),
            "one that was closed": OpeningScene(before=_closed),
            "one that was killed": OpeningScene(before=_killed),
            "one with orphans": OpeningScene(before=_orphaned),
        },
        "close": {
            "one that was closed before": OpeningScene(before=_closed, closes=True),
            "one that was killed before": OpeningScene(before=_killed, closes=True),
        },
    }


_OLD = Schema(version=1, tables=["CREATE TABLE mail (name TEXT)"], steps={})
_NEW = Schema(
    version=3,
    tables=["CREATE TABLE mail (name TEXT, size INTEGER)"],
    steps={
        1: ["ALTER TABLE mail ADD COLUMN size INTEGER"],
        2: ["UPDATE mail SET size = 7"],
    },
)


@dataclass(slots=True, kw_only=True)
class MigrationScene:
    """A store of an older version: brought up, a transaction per step."""

    renames_cross: bool = False
    sampled: bool = True

    def learn(self, before: Found, after: Found) -> None:
        assert (before["version"], after["version"]) == (1, 3)

    def live(self, folder: Path, reins: Reins, say: Say) -> None:
        (folder / "state").mkdir()
        path = folder / "state" / "queue.db"
        connection, _ = open_database(path, _OLD)
        connection.execute("INSERT INTO mail VALUES ('one')")
        connection.close()
        reins.begin()
        try:
            open_database(path, _NEW)[0].close()
            say("done")
        except MailError as error:
            say(f"refused: {error}")
        reins.end()
        open_database(path, _NEW)[0].close()
        say("done")

    def judge(self, folder: Path, *, again: bool) -> Found:
        path = folder / "state" / "queue.db"
        with closing(sqlite3.connect(path)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            rows = database.execute("SELECT * FROM mail").fetchall()
        assert rows == {1: [("one",)], 2: [("one", None)], 3: [("one", 7)]}[version]
        connection, _ = open_database(path, _NEW)
        with closing(connection):
            assert connection.execute("SELECT * FROM mail").fetchall() == [("one", 7)]
        return {"version": version, "facts": {}}

    def verdict(self, said: list[str], found: Found, _fault: Fault) -> str | None:
        if "done" in said and found["version"] != 3:
            return f"told done, and it is of version {found['version']}"
        return None

    def place(self, said: list[str], found: Found, done: list[str]) -> str:
        return f"version {found['version']}"


def migrations() -> Mapping[str, Mapping[str, MigrationScene]]:
    """Return the one scene there is."""
    return {"migrate": {"by two versions": MigrationScene()}}
