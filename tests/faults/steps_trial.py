# SPDX-License-Identifier: Apache-2.0
"""One trial: a child does one thing, one call of it breaks, the next child looks.

What the first was told it says through a pipe, as it would tell a submitter,
and is killed with kill -9 right after, unless the fault is one that heals.
The second finds the directory, or what of it was synced, and recovers.
"""

import json
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.faults.steps_shim import Fault, Mode, Shim, faults

Say = Callable[[str], None]


class Scene(Protocol):
    """One transition, and how to judge what a crash has left of it."""

    @property
    def renames_cross(self) -> bool:
        """Tell whether renames lead to another file system here."""
        ...

    @property
    def sampled(self) -> bool:
        """Tell whether one failure per call will do: there are many calls."""
        ...

    def live(self, folder: Path, shim: "Reins", say: Say) -> None:
        """Prepare, take the reins, do it, and say what was told."""
        ...

    def judge(self, folder: Path, *, again: bool) -> Any:
        """Recover, perhaps twice; return what is there, raise what must never be."""
        ...

    def verdict(self, said: list[str], found: Any, fault: Fault) -> str | None:
        """Say what is wrong with what was found after that was said."""
        ...

    def place(self, said: list[str], found: Any, done: list[str]) -> str:
        """Name the row of docs/QUEUE.md that a crash after these calls is in."""
        ...

    def learn(self, before: Any, after: Any) -> None:
        """Take what is there if nothing breaks."""
        ...


class Reins:
    """What a scene has in hand: when the fault begins, and when it ends."""

    def __init__(self, shim: Shim, folder: Path, synced: Path, fault: Fault) -> None:
        self.fault = fault
        self._shim = shim
        self._folder = folder
        self._synced = synced

    def begin(self) -> None:
        """All that is there now is on disk; from here on the fault may come."""
        _settle(self._folder, self._synced)
        self._shim.watch(self._folder, self._synced)
        self._shim.arm(self.fault)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let something be done that nothing may break, and that is not counted."""
        armed, self._shim.plan.armed = self._shim.plan.armed, 0
        yield
        self._shim.plan.armed = armed

    def mark(self, word: str) -> None:
        """Come to a point between two calls at which the process may die, too."""
        self._shim.mark(word)

    def end(self) -> None:
        """The disk is well again, or the process dies as one that was told."""
        if not self.fault.heals:
            os.kill(os.getpid(), signal.SIGKILL)
        self._shim.disarm()


@dataclass(slots=True)
class Result:
    """What all trials of a scene came to."""

    trials: int = 0
    calls: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seen: dict[str, list[Any]] = field(default_factory=dict)  # facts, by place
    told: dict[str, list[str]] = field(default_factory=dict)  # words, by fault


class Trials:
    """Runs a scene again and again, each time with another fault."""

    def __init__(self, shim: Shim, folder: Path) -> None:
        self._shim = shim
        self._folder = folder
        self._number = 0

    def run(self, scene: Scene) -> Result:
        """Let everything break in turn.

        With MAILDROP_STEPS=all also what a sample leaves out.
        """
        result = Result()
        self._learn(scene, result)
        sampled = scene.sampled and not os.environ.get("MAILDROP_STEPS")
        for fault in [Fault(), *faults(result.calls, sampled=sampled)]:
            self._try(scene, fault, result)
        return result

    def _learn(self, scene: Scene, result: Result) -> None:
        with self._place() as place:
            self._live(scene, place, Fault(mode=Mode.DIE_BEFORE, at=1))
            before = self._judge(scene, place / "live", again=True)
        with self._place() as place:
            self._live(scene, place, Fault())
            result.calls = self._shim.trace
            after = self._judge(scene, place / "live", again=True)
        scene.learn(before, after)

    def _try(self, scene: Scene, fault: Fault, result: Result) -> None:
        with self._place() as place:
            said = self._live(scene, place, fault)
            which = self._shim.trace[fault.at - 1 : fault.at]
            _remember(result.told, f"{fault.name} {''.join(which)}", said[:1])
            places = [place / "live"]
            if not fault.heals and fault.mode is not Mode.FAIL_ON:
                places.append(place / "cut")
                _materialise(place)
            for one in places:
                result.trials += 1
                found, wrong = self._look(scene, one, said, fault)
                if wrong:
                    where = f"{fault} {which}, {one.name}, said {said}"
                    result.wrong.append(f"{where}: {wrong}")
                elif not fault.error:
                    done = self._shim.trace[: fault.at - 1] if fault.at else ["all"]
                    name = scene.place(said, found, done)
                    facts = {**found["facts"], "cut": one.name == "cut"}
                    _remember(result.seen, name, [facts])

    def _look(
        self, scene: Scene, place: Path, said: list[str], fault: Fault
    ) -> tuple[Any, str | None]:
        bugs = [word for word in said if word.startswith("bug")]
        if bugs:
            return None, bugs[0]
        try:
            found = self._judge(scene, place, again=not fault.heals)
        except AssertionError as error:
            return None, str(error)
        return found, scene.verdict(said, found, fault)

    def _live(self, scene: Scene, place: Path, fault: Fault) -> list[str]:
        folder = place / "live"
        self._shim.watch(folder)
        self._shim.plan.renames_cross = scene.renames_cross
        reins = Reins(self._shim, folder, place / "synced", fault)
        code, said = in_child(lambda say: scene.live(folder, reins, say))
        assert code in (0, -signal.SIGKILL), (code, said)
        self._shim.disarm()
        return said

    def _judge(self, scene: Scene, folder: Path, *, again: bool) -> Any:
        self._shim.plan.renames_cross = False
        code, said = in_child(
            lambda say: say(json.dumps(scene.judge(folder, again=again)))
        )
        assert code == 0, f"the judge died: {code}"
        assert not said[0].startswith("bug"), said[0]
        return json.loads(said[0])

    @contextmanager
    def _place(self) -> Iterator[Path]:
        self._number += 1
        place = self._folder / str(self._number)
        for name in ("live", "synced"):
            (place / name).mkdir(parents=True)
        try:
            yield place
        finally:
            shutil.rmtree(place)


def _remember(words: dict[str, list[Any]], name: str, new: list[Any]) -> None:
    """Add what is not there yet."""
    known = words.setdefault(name, [])
    known += [each for each in new if each not in known]


def in_child(work: Callable[[Say], None]) -> tuple[int, list[str]]:
    """Fork; return how the child ended, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read().split("\0")[:-1]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _be_child(work: Callable[[Say], None], pipe: int) -> None:
    def say(word: str) -> None:
        os.write(pipe, word.encode() + b"\0")

    try:
        work(say)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        say(f"bug: {traceback.format_exc(limit=-6)}")
    finally:
        os._exit(0)


def _settle(folder: Path, synced: Path) -> None:
    """Note that all of this is on disk."""
    for path in (folder, *folder.rglob("*")):
        number = path.lstat().st_ino
        if path.is_dir():
            lines = map(_line, path.iterdir())
            (synced / f"{number}.names").write_text("".join(lines))
        elif path.is_file() and not path.is_symlink():
            shutil.copy2(path, synced / f"{number}.octets")


def _line(path: Path) -> str:
    """Say what a name stands for, as steps_shim.c does."""
    return f"{path.lstat().st_ino} {int(path.is_dir())} {path.name}\n"


def _materialise(place: Path) -> None:
    """Make a directory of what was synced, as a power cut leaves it at worst."""
    _fill(place / "synced", (place / "live").stat().st_ino, place / "cut")


def _fill(synced: Path, number: int, target: Path) -> None:
    target.mkdir()
    names = synced / f"{number}.names"
    for line in names.read_text().splitlines() if names.exists() else ():
        inode, is_directory, name = line.split(" ", 2)
        octets = synced / f"{inode}.octets"
        if is_directory == "1":
            _fill(synced, int(inode), target / name)
        elif octets.exists():
            shutil.copy2(octets, target / name)
        else:
            (target / name).touch()
