# SPDX-License-Identifier: Apache-2.0
"""The transitions of the store, each as a scene that may break at any call."""

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import MailError, StoreFull, StoreInDoubt, StoreUnusable
from maildropd.mail.event import Event
from maildropd.store import reserve
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.faults.steps_shim import Fault, Mode
from tests.faults.steps_trial import Reins, Say
from tests.unit.store.stage import NOON, WAIT, Stage, submission

_EXTRA = b"Subject: one more\r\n\r\n"
_TRIES = 3

Prepare = Callable[[Stage], Any]
Act = Callable[[Stage, Any], "Future[Any] | None"]
Found = dict[str, Any]


def opened(folder: Path, owner: str) -> SqliteStore:
    """Open the store of a folder, with nothing done in quiet moments."""
    clock = FakeClock()
    reserve._SLACK = 16 * 4096  # a megabyte for each trial takes its time
    store = SqliteStore(
        folder / "state", owner, FakeJournal(), clock, Heartbeats(clock)
    )
    store._writer._more_idle_work = False
    return store


@dataclass(slots=True, kw_only=True)
class StoreScene:
    """One call of the store: all of it is there afterwards, or nothing."""

    prepare: Prepare
    act: Act
    restarts: bool = False  # between the two
    by_recipient: bool = False  # one call, several transactions
    journal: FakeJournal = field(default_factory=FakeJournal)  # what the act tells
    lost: bool = False  # somebody has changed the octets
    event: type[Event] | None = None  # told if it is done, and only then
    renames_cross: bool = False
    sampled: bool = True
    before: Found | None = None
    after: Found | None = None

    def learn(self, before: Found, after: Found) -> None:
        self.before, self.after = logical(before), logical(after)

    def live(self, folder: Path, reins: Reins, say: Say) -> None:
        stage = Stage(opened(folder, "former" if self.restarts else "now"))
        context = self.prepare(stage)
        if self.restarts:
            stage.store.close()
            stage.store = opened(folder, "now")
        reins.begin()
        future = self._begin(stage, context)
        _tell(future, say)
        if self.event and self.journal.of(self.event):
            say("event")
        reins.end()
        self._go_on(stage, context, say)
        stage.store.close()

    def _begin(self, stage: Stage, context: Any) -> "Future[Any]":
        try:
            future = self.act(stage, context)
        except MailError as error:
            future = Future()
            future.set_exception(error)
        if future is None:
            future = Future()
            future.set_result(None)
        return future

    def _go_on(self, stage: Stage, context: Any, say: Say) -> None:
        """The same process, after the disk is well: it takes mail again."""
        for _ in range(_TRIES):
            try:
                stage.submit(submission(content=[_EXTRA], key="extra"))
            except MailError:
                continue
            say("extra")
            return
        raise AssertionError(f"{_TRIES} refusals after the disk is well again")

    def judge(self, folder: Path, *, again: bool) -> Found:
        facts = look(folder)
        found = recovered(folder)
        if again:
            assert found == recovered(folder), "another start finds something else"
        return {**found, "facts": facts}

    def place(self, said: list[str], found: Found, done: list[str]) -> str:
        return place(said, found["facts"], done)

    def verdict(self, said: list[str], found: Found, fault: Fault) -> str | None:
        extra = [each for each in found["messages"] if each["octets"] == _hash(_EXTRA)]
        if len(extra) != said.count("extra"):
            return f"the mail after it is there {len(extra)} times"
        messages = [each for each in found["messages"] if each not in extra]
        keys = {key: has for key, has in found["keys"].items() if key != "extra"}
        rest = {"messages": messages, "keys": keys}
        if not self.lost and not all(each["whole"] for each in messages):
            return "its octets are not those that came in"
        return self._of_told(said, rest, fault)

    def _of_told(self, said: list[str], rest: Found, fault: Fault) -> str | None:
        refused = any(word.startswith("refused") for word in said)
        if self.event and ("event" in said) is not ("done" in said):
            return f"said {said}, and the event is {self.event}"
        if "done" in said and rest != self.after:
            return f"told done, but {rest} is not {self.after}"
        if refused and not self.by_recipient and rest != self.before:
            return f"told refused, but {rest} is not {self.before}"
        if "in doubt" in said and fault.mode is Mode.FAIL_ONCE:
            return "in doubt, and the disk failed once"
        if rest not in (self.before, self.after) and not self._is_between(rest):
            return f"half done: {rest}"
        return None

    def _is_between(self, found: Found) -> bool:
        if not self.by_recipient or self.before is None or self.after is None:
            return False
        pairs = zip(_rows(self.before), _rows(self.after), strict=True)
        return all(each in pair for each, pair in zip(_rows(found), pairs, strict=True))


def logical(found: Found) -> Found:
    return {name: found[name] for name in ("messages", "keys")}


def _rows(found: Found) -> list[Any]:
    return [row for message in found["messages"] for row in message["recipients"]]


def _tell(future: "Future[Any]", say: Say) -> None:
    """Pass on what the caller hears; it always hears something."""
    error = future.exception(WAIT)
    if error is None:
        say("done")
    elif isinstance(error, StoreInDoubt):
        say("in doubt")
    elif isinstance(error, (StoreFull, StoreUnusable)):
        say(f"refused: {type(error).__name__}: {error}")
    else:
        raise error


def look(folder: Path) -> Found:
    """Return which names there are of large contents, and what names them."""
    state = folder / "state"
    with copied(state) as database:
        files = [row[0] for row in database.execute("SELECT file FROM message")]
        query = "SELECT DISTINCT state, due IS NULL, owner IS NULL, hold FROM recipient"
        shapes = sorted(map(list, database.execute(query)))
    content = state / "content"
    names = sorted(path.name for path in content.iterdir()) if content.exists() else []
    return {
        "draft": any(name.startswith(".") for name in names),
        "content": any(not name.startswith(".") for name in names),
        "row": any(files),
        "shapes": shapes,
    }


@contextmanager
def copied(state: Path) -> Iterator[sqlite3.Connection]:
    """Look into a copy of the store, so that nothing recovers it before us."""
    with tempfile.TemporaryDirectory(dir=state.parent.parent) as copy:
        for name in ("queue.db", "queue.db-wal"):
            if (state / name).exists():
                shutil.copy(state / name, copy)
        with closing(sqlite3.connect(Path(copy) / "queue.db")) as database:
            yield database


def place(said: list[str], facts: Found, done: list[str]) -> str:
    """Name the cut of a large content, as docs/QUEUE.md names them."""
    synced = any(call.startswith("sync .") for call in done)
    if not facts["row"]:
        steps = {
            "after 2": "sync content" in done,
            "in 2": synced,
            "in 1": any(call.startswith("create .") for call in done),
            "after the rows are gone": facts["content"],
        }
        return next((name for name, holds in steps.items() if holds), "")
    return "after 4" if "done" in said else "after 3"


def recovered(folder: Path) -> Found:
    """Start on what is left; return it, and check that it hangs together."""
    store = opened(folder, "after")
    try:
        store.take_over(NOON).result(WAIT)
        _check_files(folder)
    finally:
        store.close()
    with closing(sqlite3.connect(folder / "state" / "queue.db")) as database:
        _check_rows(database)
        return {"messages": _messages(database, folder), "keys": _keys(database)}


def _check_files(folder: Path) -> None:
    names = {path.name for path in (folder / "state" / "content").iterdir()}
    with closing(sqlite3.connect(folder / "state" / "queue.db")) as database:
        query = "SELECT file FROM message WHERE file IS NOT NULL"
        named = {row[0] for row in database.execute(query)}
    assert names == named, f"files {names}, and rows name {named}"


_NEVER = {
    "a recipient without a message": "SELECT queue_id FROM recipient"
    " EXCEPT SELECT queue_id FROM message",
    "a message without a recipient": "SELECT queue_id FROM message"
    " EXCEPT SELECT queue_id FROM recipient",
    "a lease after the takeover": "SELECT queue_id FROM recipient"
    " WHERE owner IS NOT NULL",
    "a wish to hold without a lease": "SELECT queue_id FROM recipient WHERE hold <> 0",
    "a tally that is wrong": "SELECT state, count(*) FROM recipient GROUP BY state"
    " EXCEPT SELECT state, recipients FROM tally",
    "a tally of nobody": "SELECT state FROM tally WHERE recipients <>"
    " (SELECT count(*) FROM recipient WHERE recipient.state = tally.state)",
}


def _check_rows(database: sqlite3.Connection) -> None:
    (whole,) = database.execute("PRAGMA integrity_check").fetchone()
    assert whole == "ok", whole
    for what, query in _NEVER.items():
        found = database.execute(query).fetchall()
        assert not found, f"{what}: {found}"
    (contents,) = database.execute("SELECT count(*) FROM content").fetchone()
    (rows,) = database.execute(
        "SELECT count(*) FROM message WHERE file IS NULL"
    ).fetchone()
    assert contents == rows, f"{contents} contents for {rows} messages"


def _messages(database: sqlite3.Connection, folder: Path) -> list[Found]:
    messages = []
    query = "SELECT queue_id, size, sha256, file FROM message ORDER BY queue_id"
    octets_of_rows = database.execute("SELECT octets FROM content ORDER BY number")
    contents = [row[0] for row in octets_of_rows.fetchall()]
    for queue_id, size, sha256, file in database.execute(query).fetchall():
        if file is None:
            octets = contents.pop(0)
        else:
            octets = (folder / "state" / "content" / file).read_bytes()
        whole = len(octets) == size and hashlib.sha256(octets).digest() == sha256
        recipients = database.execute(
            "SELECT number, forward_path, state, due, attempts, fence, code, relay,"
            " notify, orcpt, run FROM recipient WHERE queue_id = ? ORDER BY number",
            (queue_id,),
        )
        rows = [list(row) for row in recipients]
        messages.append({"octets": _hash(octets), "whole": whole, "recipients": rows})
    return sorted(messages, key=str)


def _keys(database: sqlite3.Connection) -> dict[str, bool]:
    """Return each key, and whether its message is there."""
    query = (
        "SELECT key, EXISTS (SELECT 1 FROM message"
        " WHERE message.queue_id = submission.queue_id) FROM submission"
    )
    return {key: bool(there) for key, there in database.execute(query)}


def _hash(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()[:12]
