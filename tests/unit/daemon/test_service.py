# SPDX-License-Identifier: Apache-2.0
"""The daemon's life when something near it does not work."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config, DaemonConfig, SubmissionConfig
from maildropd.daemon.engine import (
    Blueprint,
    Engine,
    PatientJournal,
    Surroundings,
)
from maildropd.daemon.service import Service
from maildropd.host.clock import Mark
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.notify import Notifier
from maildropd.mail.errors import StoreUnusable
from maildropd.mail.service_events import ConfigRefused, InternalError, ServiceStopped
from maildropd.queue.lane import Lane
from maildropd.queue.manager import Manager, Routing
from maildropd.route.base import NextHop
from maildropd.store.base import QueueStore, State
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal


class Journal(FakeJournal):
    """Never behind."""

    def catch_up(self) -> bool:
        return True


class Words(Notifier):
    """What the service manager was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.stopping_said = threading.Event()

    def _tell(self, *lines: str) -> None:
        self.told += lines
        if "STOPPING=1" in lines:
            self.stopping_said.set()


class Store:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.broken = False
        self.closed = False
        self.marks: list[Mark] = []

    def take_over(self, now: datetime) -> "Store":
        return self

    def result(self) -> int:
        return 0

    def keep_mark(self, mark: Mark) -> Future[None]:
        self.marks.append(mark)
        kept: Future[None] = Future()
        kept.set_result(None)
        return kept

    def counts(self) -> Mapping[State, int]:
        if self.broken:
            raise StoreUnusable("queue.db: disk I/O error")
        return {State.READY: 3}

    def oldest(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


class Queue:
    """A manager that takes as long to stop as it is told."""

    lanes: Mapping[NextHop, Lane] = MappingProxyType({})
    in_flight = 0

    def __init__(self) -> None:
        self.may_stop = threading.Event()
        self.may_stop.set()
        self.started = self.stopped = False

    def start(self) -> None:
        self.started = True

    def wake(self) -> None:
        pass

    def stop(self, patience: Callable[[], bool]) -> None:
        assert self.may_stop.wait(10)
        self.stopped = True


class Door:
    """A control socket nobody uses."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self._then = then

    async def start(self) -> None:
        self._then()

    async def close(self) -> None:
        return


class Desk:
    """A service with all it needs."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = Journal()
        self.words = Words()
        self.store = Store()
        self.queue = Queue()
        self.read_when_started: list[bool] = []
        self.unreadable: OSError | None = None
        self.shortage = ""
        self.heartbeats = Heartbeats(self.clock)
        here = Path("/nowhere")
        config = Config(
            source=here,
            daemon=DaemonConfig(state_directory=here, runtime_directory=here),
            submission=SubmissionConfig(socket=here, sendmail_socket=here),
        )
        engine = Engine(config=config, routing=cast(Routing, None), intakes=())
        self.service = Service(
            Surroundings(
                clock=self.clock,
                journal=cast(PatientJournal, self.journal),
                heartbeats=self.heartbeats,
                notifier=self.words,
                shortage=lambda: self.shortage,
            ),
            cast(Blueprint, self),
            cast(QueueStore, self.store),
            cast(Manager, self.queue),
            engine,
        )

    def read(self) -> Config:
        self.read_when_started.append(self.queue.started)
        if self.unreadable:
            raise self.unreadable
        raise ConfigErrors([Mistake(place=Place(file=Path("x")), text="wrong")])

    def live(self, door: Door, until: Callable[[], None]) -> None:
        """Run the service; ``until`` is called once it is ready."""
        asyncio.run(self.service.run(door, until))


def test_a_store_that_cannot_be_read_for_a_moment_ends_no_daemon() -> None:
    desk = Desk()

    def ready() -> None:
        desk.store.broken = True
        asyncio.get_running_loop().call_later(0.05, desk.service._stop)

    desk.live(Door(), ready)

    assert "STATUS=the store cannot be read" in desk.words.told
    assert desk.journal.of(ServiceStopped)
    assert desk.store.closed


def test_systemd_hears_that_no_new_mail_is_taken() -> None:
    """On a full disk ``systemctl status`` looked well."""
    desk = Desk()
    desk.shortage = "12 KiB free"

    def ready() -> None:
        asyncio.get_running_loop().call_soon(desk.service._stop)

    desk.live(Door(), ready)

    assert "STATUS=3 queued, no new mail is taken (12 KiB free)" in desk.words.told


def test_a_burst_of_new_mail_calls_the_main_loop_once() -> None:
    """Each call fills the pipe that also carries signals: SIGTERM got lost."""
    calls: list[object] = []

    class Loop:
        def call_soon_threadsafe(self, call: object) -> None:
            calls.append(call)

    service = Desk().service
    service._loop = cast(asyncio.AbstractEventLoop, Loop())

    for _ in range(10_000):
        service.new_mail()

    assert len(calls) == 1


def test_a_drain_that_hangs_gets_no_more_time_and_no_watchdog() -> None:
    """A disk that never answers: systemd has to end what cannot end itself."""
    desk = Desk()
    desk.queue.may_stop.clear()
    desk.heartbeats.beat("store-writer", timedelta(seconds=30))

    def ready() -> None:
        desk.clock.forward(timedelta(minutes=1))
        desk.words.told.clear()
        loop = asyncio.get_running_loop()
        desk.service._stop()
        loop.call_later(0.3, desk.queue.may_stop.set)

    desk.live(Door(), ready)

    assert not [each for each in desk.words.told if each.startswith("EXTEND")]
    assert "WATCHDOG=1" not in desk.words.told


def test_a_reload_that_comes_early_waits_until_the_daemon_has_started() -> None:
    """SIGHUP came early, and each spool got two threads."""
    desk = Desk()
    tasks: list[asyncio.Task[list[str]]] = []

    def begin() -> None:
        early = asyncio.to_thread(desk.service.reload)
        tasks.append(asyncio.get_running_loop().create_task(early))

    def ready() -> None:
        tasks[0].add_done_callback(lambda _: desk.service._stop())

    desk.live(Door(begin), ready)

    assert desk.read_when_started == [True]


def test_what_cannot_listen_to_operators_never_begins_to_deliver() -> None:
    """It delivered some mail at each try to start, and remembered nothing of it."""
    desk = Desk()

    def refuse() -> None:
        raise PermissionError("not here")

    with pytest.raises(PermissionError):
        desk.live(Door(refuse), lambda: None)

    assert not desk.queue.started


def test_what_fails_just_after_mail_flows_still_drains() -> None:
    desk = Desk()

    def fail() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        desk.live(Door(), fail)

    assert desk.queue.stopped
    assert desk.store.closed


class Spool:
    """A way in that fails to start so many times."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.started = threading.Event()

    def start(self) -> None:
        if self.failures:
            raise self.failures.pop()
        self.started.set()

    def stop(self) -> None:
        self.started.clear()

    def status(self) -> dict[str, object]:
        return {}


@pytest.mark.parametrize(
    "trouble", [OSError("too many open files"), RuntimeError("can't start new thread")]
)
def test_a_spool_that_cannot_start_is_started_later_and_holds_up_no_other(
    trouble: Exception,
) -> None:
    """Out of descriptors at a reload: its mail waited until the next restart."""
    desk = Desk()
    slow, quick = Spool(trouble, trouble), Spool()
    desk.service._engine = replace(desk.service._engine, intakes=(slow, quick))
    seen: list[bool] = []

    def ready() -> None:
        seen.append(quick.started.is_set())
        desk.service._tick()
        desk.service._tick()
        seen.append(slow.started.is_set())
        desk.service._stop()

    desk.live(Door(), ready)

    assert seen == [True, True]
    assert len(desk.journal.of(InternalError)) == 2


def test_a_configuration_that_cannot_be_read_just_now_is_refused() -> None:
    desk = Desk()
    desk.unreadable = OSError("too many open files")
    answers: list[list[str]] = []

    def ready() -> None:
        answers.append(desk.service.reload())
        desk.service._stop()

    desk.live(Door(), ready)

    assert answers == [["too many open files"]]
    assert desk.journal.of(ConfigRefused)
