# SPDX-License-Identifier: Apache-2.0
"""Those who use the machine while its power fails: writers, and an operator.

A writer's file counts as acknowledged when the sync of its directory returned.
"""

import os
import random
import threading
from contextlib import suppress
from itertools import count
from typing import Any

from tests.power.disk import sync, write
from tests.power.ledger import Entry, Ledger, Oddity
from tests.power.letters import Wish, bad, draft, letter
from tests.power.machine import Machine


class Load:
    """Threads that leave mail, as long as they are let."""

    def __init__(self, machine: Machine, ledger: Ledger, seed: int) -> None:
        """Begin with the first message."""
        self._machine = machine
        self._ledger = ledger
        self._seed = seed
        self._keys = count(1)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, writers: int, chance: random.Random) -> None:
        """Begin to write, at a random pace."""
        self._stop.clear()
        for _ in range(writers):
            pace = chance.choice([0, 0, 0.002, 0.02])
            self._run(self._write_on, pace, chance.choice([3, 30, 100]))
        self._run(self._operate)

    def stop(self) -> None:
        """Have the writers end, as soon as they can."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the writers: a dead file system must be nobody's."""
        self.stop()
        with self._ledger.changed:
            self._ledger.changed.notify_all()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        self._threads.clear()

    def leave(self, number: int) -> None:
        """Leave some messages, in this thread."""
        for _ in range(number):
            self._write_one()

    def _run(self, work: Any, *values: object) -> None:
        thread = threading.Thread(target=self._until_the_cut, args=(work, *values))
        self._threads.append(thread)
        thread.start()

    def _until_the_cut(self, work: Any, *values: object) -> None:
        with suppress(OSError):
            work(*values)

    def _write_on(self, pace: float, most: int) -> None:
        for _ in range(most):
            if self._stop.is_set():
                return
            self._write_one()
            if pace:
                self._stop.wait(pace)

    def _write_one(self) -> None:
        key, ledger = next(self._keys), self._ledger
        if key % 40 == 7:
            one = Oddity(name=f"bad-{key}", octets=bad(key))
            ledger.bad[key] = one
            self._drop(one, one.name, one.octets)
        elif key % 200 == 11:
            one = Oddity(name=f"draft-{key}.tmp", octets=draft(key))
            ledger.drafts[key] = one
            self._drop(one, one.name, one.octets)
        else:
            entry = ledger.expect(letter(key, self._seed))
            self._drop(entry, entry.letter.name, entry.letter.octets)

    def _drop(self, promise: Entry | Oddity, name: str, octets: bytes) -> None:
        """Leave a file as a careful program does: all of it, or none, for good."""
        drop = self._machine.drop
        aside = drop / f".{name}"
        write(aside, octets)
        os.rename(aside, drop / name)
        sync(drop)
        with self._ledger.lock:
            promise.dropped = self._ledger.said()

    def _operate(self) -> None:
        ledger, wishes = self._ledger, self._machine.operators
        while not self._stop.is_set():
            with ledger.changed:
                ledger.changed.wait_for(lambda: wishes or self._stop.is_set(), 1)
                if not wishes:
                    continue
                queue_id, key, wish = wishes.pop(0)
                entry = ledger.entries.get(key)
                if entry is None or entry.asked:
                    continue
                entry.asked = wish
            self._ask(queue_id, entry, wish)

    def _ask(self, queue_id: str, entry: Entry, wish: Wish) -> None:
        answer = self._machine.ask(command=str(wish), id=queue_id)
        with self._ledger.lock:
            if answer["ok"] and wish is Wish.HOLD:
                entry.held = self._ledger.said()
            elif answer["ok"]:
                entry.removed = self._ledger.said()
