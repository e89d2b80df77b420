# SPDX-License-Identifier: Apache-2.0
"""One machine and its lives: start, load, cut, again and again, and the end.

Disks and queue go from one life to the next, so a later cut meets what an
earlier one has left.  Where the cuts fall is up to a seed; what the threads
have done by then is not, so a failure replays often, but not always.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.power.judge import inspect, judge, missing_from_quarantine, rows
from tests.power.ledger import Entry, Ledger
from tests.power.letters import Wish, parsed
from tests.power.load import Load
from tests.power.machine import DEADLINE, Machine
from tests.power.sink import Sink

_GLANCE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens in one life."""

    early: bool  # the cut comes while the daemon starts and recovers
    rush: int  # or when so many copies of a large backlog have arrived
    backlog: int  # messages left before the daemon starts
    writers: int
    delay: float  # from the start of the load to the cut
    sync: int  # milliseconds that each sync takes longer
    lull: float  # before the cut nobody writes for so long


def plan(chance: random.Random) -> Plan:
    """Make up a life."""
    kind = chance.random()
    early, rush = kind < 0.3, kind > 0.85
    delay = chance.uniform(0.05, 0.4) if early else chance.uniform(0, 0.6) ** 1.5
    return Plan(
        early=early,
        rush=chance.randrange(2, 70) if rush else 0,
        backlog=80 if rush else chance.choice([0, 0, 3, 20]),
        writers=chance.choice([1, 2, 3]),
        delay=delay,
        sync=chance.choice([0, 15] if rush else [0, 0, 0, 2, 5, 15]),
        lull=chance.choice([0, 0, chance.uniform(0, 0.15)]),
    )


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of one or more chains."""

    cuts: int = 0
    disks: str = ""  # of the last chain
    promises: dict[str, int] = field(default_factory=dict)  # met by a cut, by kind
    doubled: int = 0
    most_doubled: int = 0
    wrongs: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count another's as well."""
        self.cuts += other.cuts
        counts = Counter(self.promises) + Counter(other.promises)
        self.promises = dict(sorted(counts.items()))
        self.doubled += other.doubled
        self.most_doubled = max(self.most_doubled, other.most_doubled)
        self.wrongs += other.wrongs


class Chain:
    """A machine, those who use it, and who judges it."""

    def __init__(self, machine: Machine, ledger: Ledger, sink: Sink, seed: int) -> None:
        """Begin with empty disks."""
        self._machine = machine
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._load = Load(machine, ledger, seed)
        machine.configure(sink.port)

    def run(self, cuts: int, until: float) -> Tally:
        """Live so often, or until that time, and once more in peace."""
        ledger = self._ledger
        try:
            while ledger.cuts < cuts and time.monotonic() < until:
                self._live(plan(self._chance))
                if ledger.wrongs:
                    break
            if not ledger.wrongs:
                self._last_life()
        except (AssertionError, OSError) as error:
            ledger.wrong(f"{type(error).__name__}: {error}")
        finally:
            self._load.join()
        doubled = [len(each) for each in ledger.doubles.values()]
        return Tally(
            cuts=ledger.cuts,
            promises=dict(ledger.outstanding),
            doubled=sum(doubled),
            most_doubled=max(doubled, default=0),
            wrongs=list(ledger.wrongs),
        )

    def _live(self, plan: Plan) -> None:
        arrived = self._ledger.copies
        self._load.leave(plan.backlog)
        self._machine.boot(plan.sync)
        if plan.rush:
            self._rush(arrived + plan.rush)
        else:
            self._work(plan)
        if self._ledger.wrongs:
            return  # as they are now, the disks tell most
        self._machine.cut()
        self._load.join()
        self._machine.operators.clear()
        self._machine.restore()
        inspect(self._ledger, self._machine.drop)

    def _rush(self, copies: int) -> None:
        """Let the daemon work as fast as it can, until it has got so far."""
        with self._ledger.changed:
            self._ledger.changed.wait_for(
                lambda: self._ledger.copies >= copies or self._ledger.complaints,
                DEADLINE,
            )

    def _work(self, plan: Plan) -> None:
        """Let writers and the operator work for a while."""
        if not plan.early:
            self._machine.wait_ready()
            self._settle()
        self._load.start(plan.writers, self._chance)
        end = time.monotonic() + plan.delay
        self._until(end - plan.lull)
        self._load.stop()
        self._until(end)

    def _last_life(self) -> None:
        self._machine.boot(sync=0)
        self._machine.wait_ready()
        self._settle()
        self._machine.stop()
        for what in damage(self._machine.state):
            self._ledger.wrong(what)

    def _settle(self) -> None:
        """Let everything come to rest, compare, and tidy some of it up."""
        machine, ledger = self._machine, self._ledger
        if self._chance.random() < 0.5:
            machine.ask(command="flush", ids=[])
        deadline = time.monotonic() + DEADLINE
        while unsettled := list(self._unsettled()):
            ledger.hear_complaints()
            if ledger.wrongs:
                return
            assert time.monotonic() < deadline, (
                f"stuck: {unsettled}{machine.last_words()}"
            )
            with ledger.changed:
                ledger.changed.wait_for(lambda: ledger.complaints, _GLANCE)
        queue = machine.queue()
        judge(ledger, rows(queue), machine.connections)
        for message in queue:
            self._tidy(message["id"], parsed(message["recipients"][0]["address"])[1])

    def _unsettled(self) -> Iterator[str]:
        """Yield what is still on its way; the drop first, mail goes on from there."""
        drafts = {one.name for one in self._ledger.drafts.values()}
        for path in self._machine.drop.iterdir():
            if not path.name.startswith(".") and path.name not in drafts:
                yield path.name
        missing = missing_from_quarantine(self._ledger, self._machine.quarantine)
        yield from missing
        counts = self._machine.ask(command="counts")["counts"]
        for state in ("ready", "deferred"):
            if counts.get(state):
                yield f"{counts[state]} {state}"

    def _tidy(self, queue_id: str, key: int) -> None:
        """Let the operator remove or release some of what stays."""
        entry = self._ledger.entries.get(key)
        command = self._chance.choice(["remove", "release", ""])
        if entry is None or not command:
            return
        if command == "release":
            entry.asked, entry.held = Wish.NONE, None
            for fate in entry.fates.values():
                fate.failed = None
        answer = self._machine.ask(command=command, id=queue_id)
        assert answer["ok"], answer
        if command == "remove":
            _note_removed(entry, self._ledger)

    def _until(self, end: float) -> None:
        ledger = self._ledger
        with ledger.changed:
            ledger.changed.wait_for(
                lambda: time.monotonic() >= end, max(0.0, end - time.monotonic())
            )


def _note_removed(entry: Entry, ledger: Ledger) -> None:
    with ledger.lock:
        entry.asked, entry.removed = Wish.REMOVE, ledger.said()


def damage(state: Path) -> Iterator[str]:
    """Yield what is wrong with a store at rest."""
    with sqlite3.connect(state / "queue.db") as database:
        (sound,) = database.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            yield f"queue.db: {sound}"
        for what, query in _NONSENSE.items():
            for row in database.execute(query):
                yield f"{what}: {row}"
        named = {file for (file,) in database.execute(_FILES)}
    database.close()
    for path in (state / "content").iterdir():
        if path.name not in named:
            yield f"{path.name}: content that belongs to no message"


_FILES = "SELECT file FROM message WHERE file IS NOT NULL"
_NONSENSE: Mapping[str, str] = {
    "message without recipients": """SELECT queue_id FROM message
        WHERE queue_id NOT IN (SELECT queue_id FROM recipient)""",
    "recipient without message": """SELECT queue_id FROM recipient
        WHERE queue_id NOT IN (SELECT queue_id FROM message)""",
    "wrong count": """SELECT state, recipients FROM tally WHERE recipients <>
        (SELECT count(*) FROM recipient WHERE recipient.state = tally.state)""",
}
