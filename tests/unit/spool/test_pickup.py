# SPDX-License-Identifier: Apache-2.0
"""The thread of a spool, with the real kernel, clock and files."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import QueueConfig, SpoolConfig
from maildropd.edge.spool.door import Door
from maildropd.edge.spool.pickup import Pickup
from maildropd.host.clock import Clock, SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.inotify import InotifyWatch
from maildropd.host.watch import Changes, PollWatch
from maildropd.mail.service_events import SpoolWatched
from tests.fakes.gate import open_admission
from tests.fakes.journal import FakeJournal
from tests.unit.spool.stage import CONTENT, MAIL, PaperStore

PATIENCE = 30


@dataclass
class Around:
    """Real surroundings, but for the journal."""

    clock: Clock = field(default_factory=SystemClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    heartbeats: Heartbeats = field(init=False)

    def __post_init__(self) -> None:
        self.heartbeats = Heartbeats(self.clock)


class Live:
    """A pickup that runs, and what it stores."""

    def __init__(self, folder: Path) -> None:
        self.config = SpoolConfig(
            name="live", path=folder / "drop", quarantine=folder / "quarantine"
        )
        self.around = Around()
        self.store = PaperStore()
        self.stored = threading.Semaphore(0)
        self.store.while_storing = self.stored.release
        self.kind: type[InotifyWatch | PollWatch] = InotifyWatch
        self.pickup: Pickup | None = None

    def start(self) -> Pickup:
        passage = open_admission(self.config.path.parent)
        door = Door(injector=self.store, keys=self.store, admission=passage)
        self.pickup = Pickup(self.config, QueueConfig(), door, self.kind, self.around)
        self.pickup.start()
        self.around.journal.wait_for(SpoolWatched)
        return self.pickup

    def drop(self, name: str, content: bytes = MAIL) -> None:
        draft = self.config.path / f".{name}"
        draft.write_bytes(content)
        draft.rename(self.config.path / name)

    def wait_for(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.stored.acquire(timeout=PATIENCE), self.store.contents

    def stop(self) -> None:
        if self.pickup:
            self.pickup.stop()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path)
    yield live
    live.stop()


def test_a_missing_directory_is_made_closed_to_others(live: Live) -> None:
    live.start()

    assert live.config.path.stat().st_mode & 0o777 == 0o700


def test_a_spool_without_a_thread_can_be_stopped_and_begun_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload on a host out of threads, and the end of the daemon failed, too."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            live.start()
    assert live.pickup
    live.pickup.stop()

    live.pickup.start()
    live.around.journal.wait_for(SpoolWatched)
    live.drop("one")
    live.wait_for()


def test_mail_that_is_dropped_is_taken_at_once(live: Live) -> None:
    live.start()

    live.drop("one")
    live.wait_for()
    live.drop("two")
    live.wait_for()
    live.stop()

    assert live.store.contents == [CONTENT, CONTENT]
    assert os.listdir(live.config.path) == []
    assert live.store.keys == set()


def test_mail_that_was_there_before_the_start_is_taken_when_it_is_at_rest(
    live: Live,
) -> None:
    live.config.path.mkdir()
    live.config = replace(live.config, settle_time=timedelta(milliseconds=50))
    live.drop("one")
    live.start()

    live.wait_for()


def test_polling_alone_finds_everything(live: Live) -> None:
    live.kind = PollWatch
    interval = timedelta(milliseconds=20)
    live.config = replace(live.config, poll_interval=interval, settle_time=interval)
    live.start()

    for number in range(5):
        live.drop(str(number))
        live.wait_for()


def test_a_directory_that_is_made_again_is_found_without_a_poll(live: Live) -> None:
    """The poll interval is a minute here; the removal itself is noticed."""
    live.start()
    live.config.path.rename(live.config.path.with_name("old"))
    live.config.path.mkdir()
    live.around.journal.wait_for(SpoolWatched, 2)

    live.drop("one")

    live.wait_for()


def test_a_burst_is_taken_whole(live: Live) -> None:
    live.start()

    for number in range(1000):
        live.drop(str(number))
    live.wait_for(1000)
    live.stop()

    assert len(live.store.contents) == 1000
    assert os.listdir(live.config.path) == []


def test_after_the_stop_nothing_is_open_or_promised(live: Live) -> None:
    before = set(os.listdir("/proc/self/fd"))
    pickup = live.start()

    pickup.stop()
    pickup.stop()

    assert set(os.listdir("/proc/self/fd")) <= before
    assert not [each for each in threading.enumerate() if "spool" in each.name]
    assert live.around.heartbeats.late() == ()
    live.drop("late")
    assert live.store.contents == []


def test_a_pickup_that_never_started_has_nothing_to_stop(live: Live) -> None:
    before = set(os.listdir("/proc/self/fd"))
    passage = open_admission(live.config.path.parent)
    door = Door(injector=live.store, keys=live.store, admission=passage)
    pickup = Pickup(live.config, QueueConfig(), door, InotifyWatch, live.around)

    pickup.stop()

    assert pickup.status()["condition"] == "not started"
    assert set(os.listdir("/proc/self/fd")) <= before


def test_the_next_pickup_takes_over_where_the_last_one_stopped(live: Live) -> None:
    """As a reload does: one lock, one after the other."""
    first = live.start()
    live.drop("one")
    live.wait_for()
    first.stop()
    live.config = replace(live.config, settle_time=timedelta(0))
    live.drop("two")

    live.start()

    live.wait_for()


def test_a_spool_outlives_a_moment_without_memory(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread ended, and the drop was dead until the watchdog noticed."""
    wait, struck = InotifyWatch.wait, threading.Event()

    def stumble(self: InotifyWatch, timeout: timedelta) -> Changes:
        if not struck.is_set():
            struck.set()
            raise MemoryError
        return wait(self, timeout)

    monkeypatch.setattr(InotifyWatch, "wait", stumble)
    live.start()
    assert struck.wait(10)

    live.drop("mail")

    live.wait_for()
