# SPDX-License-Identifier: Apache-2.0
"""The daemon's life: start, watch, reload, drain, stop.

The main thread only listens to signals, systemd and operators; mail flows in
threads of its own.  The watchdog is fed only while each of those keeps the
promise it last made.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta

from maildropd import __version__
from maildropd.config.errors import ConfigErrors
from maildropd.daemon import status
from maildropd.daemon.complaints import Complaints
from maildropd.daemon.engine import (
    Blueprint,
    Door,
    Engine,
    Intake,
    Surroundings,
    refuse_moves,
)
from maildropd.daemon.pulse import Pulse
from maildropd.mail.service_events import (
    ConfigRefused,
    ConfigReloaded,
    InternalError,
    ServiceDraining,
    ServiceReady,
    ServiceStopped,
)
from maildropd.queue.manager import Manager
from maildropd.store.base import QueueStore

_TICK = timedelta(seconds=10)
_BUSY = timedelta(seconds=1)
_LAG = timedelta(milliseconds=10)  # the journal may hold only ten entries
_EXTENSION = timedelta(seconds=15)


class Service:
    """One daemon, from its first step to its last."""

    def __init__(
        self,
        surroundings: Surroundings,
        blueprint: Blueprint,
        store: QueueStore,
        manager: Manager,
        engine: Engine,
    ) -> None:
        """Take the parts; nothing runs before ``run``."""
        self._clock = surroundings.clock
        self._journal = surroundings.journal
        self._notifier = surroundings.notifier
        self._blueprint = blueprint
        self._store = store
        self._manager = manager
        self._engine = engine
        self._since = self._clock.now()
        self._stopped = asyncio.Event()
        self._stirred = asyncio.Event()
        self._stirring = False  # it is, or is about to be, set
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reloading = threading.Lock()
        self._deadline: timedelta | None = None
        self._pulse = Pulse(surroundings, store, manager)
        self._changing = False
        self._running = False
        self._waiting: tuple[Intake, ...] = ()

    async def run(self, door: Door, ready: Callable[[], None]) -> None:
        """Live until SIGTERM or SIGINT; ``ready`` is called once mail flows."""
        self._catch_signals()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(Complaints(self._journal))
        try:
            await self._start(door)
            ready()
            while not self._stopped.is_set():
                self._tick()
                await self._pause()
        finally:
            await self._end(door)

    def new_mail(self) -> None:
        """A message was accepted; callable from any thread."""
        self._manager.wake()
        # Once: each call fills the loop's pipe, and a full pipe loses signals.
        if self._loop is not None and not self._stirring:
            self._stirring = True
            self._loop.call_soon_threadsafe(self._stirred.set)

    def reload(self) -> list[str]:
        """Take on the configuration as it now is; return what is wrong with it.

        With any error, nothing changes.  Callable from any thread.
        """
        with self._reloading:
            if not self._running or self._stopped.is_set():
                return ["maildropd is about to stop"]
            self._notifier.reloading()
            try:
                config = self._blueprint.read()
                refuse_moves(self._engine.config, config)
                engine = self._blueprint.engine(config)
            except (ConfigErrors, OSError) as error:
                lines = error.lines if isinstance(error, ConfigErrors) else [str(error)]
                reason, source = "; ".join(lines), str(self._engine.config.source)
                self._journal.emit(ConfigRefused(config=source, reason=reason))
                return lines
            else:
                self._replace(engine)
                self._journal.emit(ConfigReloaded(config=str(config.source)))
                return []
            finally:
                self._notifier.ready()

    def status(self) -> dict[str, object]:
        """Return all that ``maildropctl status`` shows."""
        oldest, on_wall = self._store.oldest(), self._clock.on_wall
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": on_wall(self._since).isoformat(),
            "config": str(self._engine.config.source),
            "counts": {str(key): n for key, n in self._store.counts().items()},
            "oldest": oldest and on_wall(oldest).isoformat(),
            "shortage": self._pulse.shortage() or None,
            "in_flight": self._manager.in_flight,
            "relays": status.relays(self._manager.lanes),
            "spools": [each.status() for each in self._engine.intakes],
        }

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(
            signal.SIGHUP, lambda: loop.run_in_executor(None, self.reload)
        )

    async def _start(self, door: Door) -> None:
        # The door first: whoever cannot start has not delivered anything yet.
        with self._reloading:
            await door.start()
            taken_over = self._pulse.begin()
            self._manager.start()
            self._waiting = self._engine.intakes
            self._begin()
            self._running = True
        self._journal.emit(
            ServiceReady(queued=self._pulse.queued(), taken_over=taken_over)
        )
        self._notifier.ready()

    def _tick(self) -> None:
        """Feed the watchdog, if all loops keep their word; say how things stand."""
        self._stirring = False
        self._stirred.clear()
        self._journal.catch_up()
        self._begin_waiting()
        self._pulse.feed()
        self._changing = self._pulse.tell(self._engine.chores)

    async def _pause(self) -> None:
        """Wait for the next tick: soon while things change, else until they do."""
        interval = self._notifier.watchdog_interval or _TICK * 3
        end = self._clock.monotonic() + min(_TICK, interval / 3)
        await self._wait(self._stopped, min(_BUSY, interval / 3))
        if self._changing or self._manager.in_flight:
            return
        while (left := end - self._clock.monotonic()) > timedelta(0):
            if not self._journal.catch_up():
                left = min(left, _LAG)
            if await self._wait(self._stirred, left):
                return

    async def _wait(self, event: asyncio.Event, limit: timedelta) -> bool:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                return await event.wait()
        except TimeoutError:
            return False

    def _stop(self) -> None:
        """Stop in peace; told again, in a hurry."""
        now = self._clock.monotonic()
        if self._deadline is None:
            self._deadline = now + self._engine.config.daemon.drain_timeout
        else:
            self._deadline = now
        self._stopped.set()
        self._stirred.set()

    def _replace(self, engine: Engine) -> None:
        for intake in self._engine.intakes:
            intake.stop()
        self._engine = engine
        self._manager.reroute(engine.routing)
        self._waiting = engine.intakes
        self._begin()

    def _begin(self) -> None:
        """Start the spools that wait; short of descriptors or threads, later."""
        waiting, self._waiting = self._waiting, ()
        for intake in waiting:
            try:
                intake.start()
            except (OSError, RuntimeError) as error:
                self._waiting += (intake,)
                what = InternalError(where="a spool", error=repr(error), traceback="")
                self._journal.emit(what)

    def _begin_waiting(self) -> None:
        if self._waiting and self._reloading.acquire(blocking=False):
            try:
                self._begin()
            finally:
                self._reloading.release()

    async def _end(self, door: Door) -> None:
        self._notifier.stopping()
        self._journal.emit(ServiceDraining(in_flight=self._manager.in_flight))
        await door.close()
        ended = asyncio.create_task(asyncio.to_thread(self._drain))
        while not ended.done():
            # No time for what hangs: then systemd has to end it.
            if self._pulse.feed():
                self._notifier.extend_timeout(_EXTENSION)
            await asyncio.wait({ended}, timeout=1)
        queued = self._pulse.end()
        self._store.close()
        ended.result()
        self._journal.emit(ServiceStopped(queued=queued))

    def _drain(self) -> None:
        with self._reloading:
            self._running, self._waiting = False, ()
            for intake in self._engine.intakes:
                intake.stop()
            self._manager.stop(self._patient)

    def _patient(self) -> bool:
        return self._deadline is None or self._clock.monotonic() < self._deadline
