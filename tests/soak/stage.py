# SPDX-License-Identifier: Apache-2.0
"""Carries out the steps of a plan, each by the method that has its name."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic

from tests.soak.books import Books
from tests.soak.disk import Disk
from tests.soak.keeper import Keeper
from tests.soak.plan import Step
from tests.soak.settings import History, Settings
from tests.soak.smarthost import Smarthost
from tests.soak.vandals import Vandals
from tests.soak.vitals import Vitals, growth
from tests.soak.writers import Writers

_START = 30.0
_REST = 120.0  # seconds for everything to come to rest
_GLANCE = 0.2
_AFTERMATH = 10.0  # seconds after which a full disk excuses nothing any more
_MEMORY = 16 * 1024  # KiB between two rests: what an allocator may keep
_THREADS = 6  # asyncio's pool for the control socket grows as it is used
_RESTART = 1.0
_MOMENT = 0.001
_MOMENTS = 300


class Stage:
    """The daemon, its disk, its servers, and everybody who uses them."""

    def __init__(
        self,
        seed: int,
        books: Books,
        folder: Path,
        disk: Disk,
        relays: Mapping[str, Smarthost],
    ) -> None:
        """Set it up; nothing happens yet."""
        self.books = books
        self.keeper = Keeper(folder, self.books)
        self.writers = Writers(disk.root, self.books, seed)
        self._vandals = Vandals(disk.root, self.books)
        self._disk = disk
        self._relays = relays
        self._config = folder / "maildropd.conf"
        self._settings = Settings()
        self._history = History()
        self._full = -_AFTERMATH  # when the disk was full last
        self._removals: dict[str, str] = {}  # keys by queue id
        self._operated = -_AFTERMATH  # when an operator began something last
        self._baseline: Vitals | None = None
        self.measured: list[Vitals] = []
        self._restart_at = 0.0
        self._configure()

    def do(self, step: Step) -> None:
        """Carry out one step."""
        self._supervise()
        acts: Mapping[str, Callable[..., None]] = {
            "leave": self.writers.leave,
            "begin": self.writers.begin,
            "push": self.writers.push,
            "finish": self.writers.finish,
            "replace": self.writers.replace,
            "rewrite": self.writers.rewrite,
            "flood": self.writers.flood,
            "spoil": self._vandals.spoil,
            "freeze": self.keeper.freeze,
            "thaw": self.keeper.thaw,
            "hurry": self._hurry,
            "stop": self.keeper.stop,
        }
        act = acts.get(step.act) or getattr(self, f"_{step.act}")
        act(*step.words)

    def _start(self) -> None:
        if self.keeper.here:
            if not self.keeper.stopping:
                return  # it was started again, for it had not come up
            self._ended(self.keeper.reap())
        self.keeper.start()

    def _kill(self) -> None:
        if self.keeper.here:
            self.books.died(self._history.in_flight())
            self.keeper.kill()

    def _strike(self, numbers: str) -> None:
        """Kill it when it has just taken the first of many, and removed none."""
        before, waiting = self._taken, threading.Event()
        self.writers.leave("drop", "unsynced", "small", numbers)
        for _ in range(_MOMENTS):
            if self._taken > before:
                break
            waiting.wait(_MOMENT)
        self._kill()

    @property
    def _taken(self) -> int:
        return self.books.heard.kinds["MessageAccepted"]

    def _hurry(self) -> None:
        self.keeper.stop()
        self.keeper.stop()

    def _mood(self, relay: str, mood: str) -> None:
        self._relays[relay].feel(mood)

    def _close(self, relay: str) -> None:
        self._relays[relay].close()

    def _open(self, relay: str) -> None:
        self._relays[relay].open()

    def _fill(self, left: str) -> None:
        self._full = float("inf")
        self._disk.fill(int(left) * 1024)

    def _free(self) -> None:
        self._disk.empty()
        self._full = monotonic()

    def _change(self, way: str, how: str) -> None:
        self._settings = self._settings.changed(how)
        self._history.add(self._settings)
        self._configure()
        if way == "hangup":
            self.keeper.hang_up()
        elif self.keeper.ready:
            self.keeper.control("reload")

    def _mistake(self, what: str) -> None:
        if not self._answers:
            return
        self._configure(what)
        code, said = self.keeper.run("maildropctl", "reload")
        self._configure()
        if code == 0:
            self.books.trouble(f"a configuration with a wrong {what} was taken on")
        if "Traceback" in said:
            self.books.trouble(f"maildropctl reload: {said}")

    def _rival(self) -> None:
        """Start another daemon on the same folder."""
        if not (self.keeper.ready and not self.keeper.stopping):
            return
        code, said = self.keeper.run("maildropd", "--log-format", "text")
        if self.keeper.code is None and (code != 1 or "another maildropd" not in said):
            self.books.trouble(f"a second daemon ended with {code}: {said}")

    def _ambush(self, spool: str, old: str, number: str) -> None:
        """Have a letter written anew while the daemon reads it."""
        if not self._answers:
            return
        self.writers.leave(spool, "renamed", "large", old)
        if self.keeper.catch(self.writers.place(spool, int(old))):
            self.writers.rewrite_one(spool, old, number)
            self.keeper.thaw()

    def _operate(self, act: str, pick: str) -> None:
        waiting = self.books.waiting()
        if not self.keeper.ready or not waiting:
            return
        place = min(int(float(pick) * len(waiting)), len(waiting) - 1)
        queue_id, key = waiting[place]
        self._operated = monotonic()
        if act == "remove":
            self._removals[queue_id] = key
        some = [each for each, _ in waiting[place : place + 3]]
        self.keeper.control(*_words(act, some))

    @property
    def _answers(self) -> bool:
        keeper = self.keeper
        return keeper.ready and not keeper.stopping and not keeper.frozen

    def _configure(self, mistake: str = "") -> None:
        ports = {name: relay.port for name, relay in self._relays.items()}
        # At once: half a file is a configuration, too, and means other places.
        aside = self._config.with_suffix(".new")
        aside.write_text(self._settings.text(ports, mistake))
        aside.rename(self._config)

    def _supervise(self) -> None:
        """See who has ended, and start again what ended by itself."""
        self._collect(all_of_them=False)
        keeper = self.keeper
        if keeper.here and not keeper.stopping and keeper.code is not None:
            came_up = keeper.wait_ready(0)
            code = keeper.reap()
            # It may not start on a full disk, nor while maildropctl has its store.
            last = max(self._full, self._operated)
            if code != 1 or came_up or monotonic() - last > _AFTERMATH:
                self.books.trouble(f"the daemon ended by itself with {code}")
            self._restart_at = monotonic() + _RESTART
        if self._restart_at and monotonic() > self._restart_at:
            self._restart_at = 0.0
            if not keeper.here:
                keeper.start()

    def _ended(self, code: int) -> None:
        """Judge how a daemon ended that was told to."""
        excused = monotonic() - self._full < _AFTERMATH and code == 1
        # Before it catches signals, SIGTERM is as good as an end.
        if code not in (0, -15) and not excused:
            self.books.trouble(f"told to stop, it ended with {code}")

    def _collect(self, *, all_of_them: bool) -> None:
        for words, code, said in self.keeper.ended(all_of_them=all_of_them):
            if "Traceback" in said:
                self.books.trouble(f"maildropctl {words}: {said}")
            verb, _, queue_id = words.partition(" ")
            if verb == "remove":
                self._removed(self._removals[queue_id], code, said)

    def _removed(self, key: str, code: int, said: str) -> None:
        if code == 0:
            self.books.removed.setdefault(key, monotonic())
        elif "is not in the queue" not in said and "being delivered" not in said:
            self.books.perhaps_removed.add(key)

    # --- rests ---------------------------------------------------------------

    def _rest(self, name: str) -> None:
        """Let everything come to its end, and look at the daemon."""
        self.calm()
        if not self.keeper.here or self.keeper.stopping:
            self._start()
        self.settle(name)
        if name == "deaths" or not self.keeper.ready:
            return
        found = self._at_rest()
        self.measured.append(found)
        if name == "warm":
            self._baseline = found
        elif self._baseline is not None and self._baseline.pid == found.pid:
            for what in growth(self._baseline, found, _MEMORY, _THREADS):
                self.books.trouble(what)

    def _at_rest(self) -> Vitals:
        """Look until two looks agree: our own last question may still be heard."""
        waiting, before = threading.Event(), self.keeper.vitals()
        for _ in range(20):
            waiting.wait(_GLANCE)
            found = self.keeper.vitals()
            if found == replace(before, memory=found.memory):
                break
            before = found
        return before

    def calm(self) -> None:
        """End all that disturbs."""
        self._free()
        for relay in self._relays.values():
            relay.feel("good")
            relay.open()
        if self.keeper.frozen:
            self.keeper.thaw()
        self.writers.finish_all()
        self._settings = Settings()
        self._configure()

    def settle(self, name: str) -> None:
        """Wait until nothing is left to do."""
        deadline = monotonic() + _START
        while not self.keeper.wait_ready(_GLANCE) and monotonic() < deadline:
            self._supervise()
        self._collect(all_of_them=True)
        self.keeper.control("reload")
        self._collect(all_of_them=True)
        deadline = monotonic() + _REST
        waiting = threading.Event()
        while (why := self._busy()) and monotonic() < deadline:
            self._supervise()
            waiting.wait(_GLANCE)
        if why:
            self.books.trouble(f"at the rest of {name}, {_REST} s later: {why}")

    def finish(self) -> None:
        """Wait for the end of a daemon that was told to stop."""
        code = self.keeper.reap()
        if code != 0:
            self.books.trouble(f"told to stop at rest, it ended with {code}")

    def _busy(self) -> str:
        """Return what still goes on."""
        left = self.writers.lying() - self.books.heard.left_alone
        if left:
            return f"in the drops: {sorted(left)[:5]} and so on, {len(left)}"
        status = self.keeper.ask(command="status") if self.keeper.ready else None
        if status is None or not status["ok"]:
            return f"no daemon answers: {status}"
        waiting = {
            state: number
            for state, number in status["counts"].items()
            if number and state in ("ready", "deferred")
        }
        if waiting:
            self.keeper.ask(command="flush", ids=[])
            return f"in the queue: {waiting}; {status['relays']}"
        if any(each["connections"] for each in status["relays"]):
            return f"connected: {status['relays']}"
        return ""


def _words(act: str, queue_ids: list[str]) -> list[str]:
    match act:
        case "hold" | "release":
            return [act, *queue_ids]
        case "remove":
            return [act, queue_ids[0]]
        case _:
            return [act]
