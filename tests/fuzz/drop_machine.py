# SPDX-License-Identifier: Apache-2.0
"""Writers of all kinds at one drop, in any order: who keeps to the protocol is served.

Each of their mails is taken once, when it is complete, and as it was written;
what is no mail goes to the quarantine, and what is not finished is left alone.
"""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from maildropd.mail.errors import StoreFull
from maildropd.mail.service_events import InternalError
from tests.fuzz.places import folder
from tests.unit.spool.stage import Stage

HEAD = b"##To:bob@example.net\n"
LATER = [timedelta(seconds=n) for n in (1, 6, 61, 90_000)]
TIMES = [0, -1, -(10**9), 1 << 31, 1 << 34, 10**12, 10**15, -(10**15)]
PICK = st.integers(0, 5)
NO_MAIL = [b"", b"no mail\n", b"##To bob\nx\n", b"##To:a b@c\nx\n", b"##To:b@c\n \n"]


class Killed(BaseException):
    """The process ends here."""


class DropMachine(RuleBasedStateMachine):
    """One spool, turned by hand; the store is of paper, and survives a kill."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = folder()
        self.stage = Stage(self.folder)
        self.numbers = count(1)
        self.begun: dict[str, bytes] = {}  # under a name that says so
        self.locked: dict[str, bytes] = {}  # written by half, beside a lock
        self.complete: dict[str, bytes] = {}  # must be taken, once
        self.odd: set[bytes] = set()  # written over or removed: may be taken, once
        self.touched: set[bytes] = set()  # after it was stored: may come twice

    def _new(self) -> tuple[str, bytes]:
        number = next(self.numbers)
        return f"mail{number}", b"Subject: %d\n\nhello\n" % number

    # --- writers

    @rule(how=st.sampled_from([".{}", "{}.tmp"]))
    def begin(self, how: str) -> None:
        name, content = self._new()
        self.stage.write(how.format(name), HEAD + content)
        self.begun[how.format(name)] = content

    @precondition(lambda self: self.begun)
    @rule(pick=PICK, told=st.booleans())
    def finish(self, pick: int, *, told: bool) -> None:
        draft = _one(self.begun, pick)
        name = draft.removeprefix(".").removesuffix(".tmp")
        (self.stage.path / draft).rename(self.stage.path / name)
        self.complete[name] = self.begun.pop(draft)
        self._tell(name, told=told)

    @rule(told=st.booleans())
    def write_in_one_go(self, *, told: bool) -> None:
        name, content = self._new()
        self.stage.write(name, HEAD + content)
        self.complete[name] = content
        self._tell(name, told=told)

    @rule(told=st.booleans())
    def write_half_under_a_lock(self, *, told: bool) -> None:
        name, content = self._new()
        self.stage.write(f"{name}.lck", b"")
        self.stage.write(name, HEAD + content[:-3])
        self.locked[name] = content
        self._tell(name, told=told)

    @precondition(lambda self: self.locked)
    @rule(pick=PICK, told=st.booleans())
    def unlock(self, pick: int, *, told: bool) -> None:
        name = _one(self.locked, pick)
        content = self.locked.pop(name)
        path = self.stage.path / name
        if not path.exists():
            return  # it was set aside: its lock was too old
        self.stage.write(name, HEAD + content)
        (self.stage.path / f"{name}.lck").unlink()
        self.complete[name] = content
        if told:
            self._killed_at_worst(lambda: self.stage.gone(f"{name}.lck"))

    @precondition(lambda self: self.complete)
    @rule(pick=PICK, told=st.booleans())
    def write_anew_over(self, pick: int, *, told: bool) -> None:
        """A rename over a mail that may not have been taken yet."""
        name = _one(self.complete, pick)
        _, content = self._new()
        self.odd.add(self.complete[name])
        self.stage.write(".new", HEAD + content)
        (self.stage.path / ".new").rename(self.stage.path / name)
        self.complete[name] = content
        self._tell(name, told=told)

    @precondition(lambda self: self.complete)
    @rule(pick=PICK, read=st.booleans())
    def write_anew_under_its_hands(self, pick: int, *, read: bool) -> None:
        """The same, while the daemon reads the old one, or has just read it."""
        store = self.stage.store
        moment = "while_storing" if read else "before_reading"

        def write_anew() -> None:
            setattr(store, moment, lambda: None)
            self.write_anew_over(pick, told=False)

        setattr(store, moment, write_anew)
        self.look_later(LATER[1])
        setattr(store, moment, lambda: None)

    @precondition(lambda self: self.complete)
    @rule(pick=PICK)
    def remove(self, pick: int) -> None:
        name = _one(self.complete, pick)
        self.odd.add(self.complete.pop(name))
        (self.stage.path / name).unlink(missing_ok=True)

    @rule(content=st.sampled_from(NO_MAIL), told=st.booleans())
    def write_no_mail(self, content: bytes, *, told: bool) -> None:
        name, _ = self._new()
        self.stage.write(name, content)
        self._tell(name, told=told)

    @rule(make=st.sampled_from([os.mkdir, os.mkfifo, lambda p: os.symlink("x", p)]))
    def make_no_file(self, make: Callable[[Any], None]) -> None:
        name, _ = self._new()
        make(self.stage.path / name)

    @rule(pick=PICK, seconds=st.sampled_from(TIMES))
    def set_its_time(self, pick: int, seconds: int) -> None:
        """Anybody may, to the year 30 million where the file system can."""
        names = self.stage.names()
        if names:
            path = self.stage.path / names[pick % len(names)]
            os.utime(path, (seconds, seconds), follow_symlinks=False)
            if (content := self.complete.get(path.name)) in self.stage.contents:
                self.touched.add(content)  # a kill was faster than the unlink

    # --- the daemon, and what becomes of it

    def _tell(self, name: str, *, told: bool) -> None:
        if told:
            self._killed_at_worst(lambda: self.stage.closed(name))

    @rule(later=st.sampled_from(LATER))
    def look_later(self, later: timedelta) -> None:
        self._killed_at_worst(lambda: self.stage.rest(later))

    @rule(hours=st.integers(-30, 30))
    def set_the_clock(self, hours: int) -> None:
        self.stage.clock.jump(timedelta(hours=hours))

    @rule()
    def restart(self) -> None:
        self.stage.restart()

    @rule(call=st.sampled_from(["unlink", "fsync", "open", "rename", "link"]))
    def kill_at_the_next(self, call: str) -> None:
        """It comes back with what is on disk."""

        def kill(*_: object, **__: object) -> None:
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, kill)
            self._killed_at_worst(lambda: self.stage.rest(timedelta(seconds=6)))

    @rule(times=st.integers(1, 3))
    def fill_the_store(self, times: int) -> None:
        self.stage.store.troubles.extend([StoreFull("no room")] * times)

    def _killed_at_worst(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Killed:
            self._come_back()

    def _come_back(self) -> None:
        pickup = self.stage.pickup
        if pickup._scan is not None:
            pickup._scan.close()
        if pickup._drop is not None:
            pickup._drop.close()
        del self.stage.pickup
        self.stage.watch.reports.clear()
        self.stage.restart()

    # --- what holds all the time, and in the end

    @invariant()
    def nothing_is_taken_twice_or_by_half(self) -> None:
        taken = self.stage.contents
        doubled = {each for each in taken if taken.count(each) > 1}
        assert doubled <= self.touched
        assert set(taken) <= {*self.complete.values(), *self.odd}

    @invariant()
    def what_is_complete_is_taken_or_still_there(self) -> None:
        for name, content in self.complete.items():
            if content not in self.stage.contents:
                assert (self.stage.path / name).read_bytes() == HEAD + content

    def teardown(self) -> None:
        try:
            self._in_the_end()
        finally:
            self.stage.close()
            shutil.rmtree(self.folder)

    def _in_the_end(self) -> None:
        self.stage.store.troubles.clear()
        for _ in range(4):
            self.stage.rest(timedelta(hours=26))
        assert set(self.complete.values()) <= set(self.stage.contents)
        left = [name for name in self.stage.names() if not self._may_stay(name)]
        assert left == []
        assert self.stage.journal.of(InternalError) == []
        quarantine = self.folder / "quarantine"
        aside = set(os.listdir(quarantine)) if quarantine.exists() else set()
        moved = {each for each in aside if not each.endswith((".reason", ".lck"))}
        assert {f"{each}.reason" for each in moved} <= aside
        self.nothing_is_taken_twice_or_by_half()

    def _may_stay(self, name: str) -> bool:
        path = self.stage.path / name
        return name.startswith(".") or name.endswith((".tmp", ".lck")) or path.is_dir()


def _one(names: dict[str, bytes], pick: int) -> str:
    return list(names)[pick % len(names)]
