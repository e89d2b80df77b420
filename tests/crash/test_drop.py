# SPDX-License-Identifier: Apache-2.0
"""Kill or fail a daemon at each system call between a file and the store.

docs/QUEUE.md, "The drop", says what is left by each; here it is looked at.
"""

import errno
import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from maildropd.config.model import QueueConfig, SpoolConfig
from maildropd.edge.spool.door import Door
from maildropd.edge.spool.pickup import Pickup
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.service_events import InternalError
from maildropd.store.injector import Injector, QueueIds
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.gate import open_admission
from tests.fakes.journal import FakeJournal
from tests.unit.spool.stage import MAIL, HandWatch

CALLS = ("open", "read", "stat", "fstat", "write", "link", "rename", "unlink", "fsync")
GOOD = {name: MAIL + name.encode() for name in ("one", "two")}
BAD = b"no mail"
KEYS = ("a" * 32, "b" * 32)
BUNDLE = b"".join(
    b"\0".join((b"#!sendmail", key.encode(), b"3", b"api", b"-i", b"bob@example.net"))
    + b"\0%d\n%b0\n" % (len(key), key.encode())
    for key in KEYS
)

Step = Callable[[], None]


@dataclass
class Around:
    """What a daemon has around it, late enough for every file to be at rest."""

    clock: FakeClock = field(default_factory=FakeClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    heartbeats: Heartbeats = field(init=False)

    def __post_init__(self) -> None:
        self.clock.time = datetime.now(UTC) + timedelta(hours=1)
        self.heartbeats = Heartbeats(self.clock)


class Host:
    """A folder with drop, quarantine and store, and four files to begin with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drop = folder / "drop"
        self.quarantine = folder / "quarantine"
        self.config = SpoolConfig(
            name="drop", path=self.drop, quarantine=self.quarantine
        )
        self.drop.mkdir(parents=True)
        for name, content in GOOD.items():
            (self.drop / name).write_bytes(content)
        (self.drop / "bad").write_bytes(BAD)
        (self.drop / "bundle").write_bytes(BUNDLE)

    def work(self, before: Step = lambda: None) -> FakeJournal:
        """Do what a daemon does between its start and its stop."""
        around = Around()
        clock = around.clock
        owner = str(random.random())
        store = SqliteStore(
            self.folder / "state", owner, around.journal, clock, around.heartbeats
        )
        ids = QueueIds(clock, random.getrandbits)
        injector = Injector(store, around.journal, ids, QueueConfig(), lambda: None)
        passage = open_admission(self.folder)
        door = Door(injector=injector, keys=store, admission=passage)
        pickup = Pickup(self.config, QueueConfig(), door, HandWatch, around)
        pickup._watch = HandWatch()
        before()
        for _ in range(3):
            pickup._turn()
            clock.forward(timedelta(minutes=1))
        pickup._leave()
        store.close()
        return around.journal

    def work_and_die(self, at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
        """Let a child work, and die before a step; tell whether it came to that."""

        def die() -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        child = os.fork()
        if child == 0:
            try:
                self.work(lambda: count_calls(at, die, monkeypatch))
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def contents(self) -> list[bytes]:
        """Return what is stored."""
        with closing(sqlite3.connect(self.folder / "state/queue.db")) as database:
            return [row[0] for row in database.execute("SELECT octets FROM content")]

    def check(self) -> None:
        """All mails are stored once, and the file that is none is set aside once."""
        expected = [mail.partition(b"example.org\n")[2] for mail in GOOD.values()]
        expected += map(str.encode, KEYS)
        assert sorted(self.contents()) == sorted(expected)
        assert os.listdir(self.drop) == []
        # A draft of a reason may be left, and is hidden.
        found = [name for name in os.listdir(self.quarantine) if name[0] != "."]
        (aside,) = [name for name in found if not name.endswith(".reason")]
        assert (self.quarantine / aside).read_bytes() == BAD
        assert f"{aside}.reason" in found


def count_calls(at: int, act: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen before one of the system calls that follow."""
    numbers = count(1)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **more: Any) -> Any:
            if next(numbers) == at:
                act()
            return real(*values, **more)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Memory, where there is some: nothing here depends on a disk's own cache."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as found:
        yield Path(found)


def hosts(folder: Path) -> Iterator[tuple[int, Host]]:
    return ((step, Host(folder / str(step))) for step in count(1))


def test_a_daemon_killed_at_any_step_leaves_each_mail_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step, host in hosts(folder):
        if not host.work_and_die(step, monkeypatch):
            break

        host.work()

        host.check()
    assert step > 30


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_a_call_that_fails_leaves_each_mail_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The same daemon goes on, or the next one puts it right; nobody stumbles."""
    failed: list[int] = []

    def fail() -> None:
        failed.append(number)
        raise OSError(number, os.strerror(number))

    for step, host in hosts(folder):
        with monkeypatch.context() as patch:
            journal = host.work(partial(count_calls, step, fail, patch))
        if len(failed) < step:
            break

        host.work()

        host.check()
        assert journal.of(InternalError) == []
    assert step > 30
