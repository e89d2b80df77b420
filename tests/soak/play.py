# SPDX-License-Identifier: Apache-2.0
"""One play from curtain to curtain: set up, all steps, the last rest, the judge."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.soak.books import Books
from tests.soak.disk import Disk
from tests.soak.judge import judge, summary
from tests.soak.plan import SPOOLS, Step, plan
from tests.soak.remains import read
from tests.soak.smarthost import Smarthost
from tests.soak.stage import Stage
from tests.soak.vitals import Vitals

_TOLD = 30  # of the last steps
_LATE = 3.0
_WAITED_FOR = frozenset(("mistake", "rival", "flood", "ambush", "strike"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it went."""

    seed: int
    seconds: float
    violations: tuple[str, ...]
    summary: str
    steps: tuple[Step, ...]
    folder: Path

    @property
    def verdict(self) -> str:
        """Say it in one line, or, where it went wrong, how to see it again."""
        if not self.violations:
            return f"soak: seed {self.seed}: nothing lost, nothing stopped"
        minutes = f"{self.seconds / 60:g}"
        return "\n".join(
            [
                "the last steps:",
                *map(str, self.steps[-_TOLD:]),
                f"soak: seed {self.seed}: {len(self.violations)} violations",
                f"kept: {self.folder} (the disk: mount -o loop disk.img)",
                f"again: scripts/soak --seed {self.seed} --minutes {minutes} soak",
            ]
        )


def play(seed: int, seconds: float, folder: Path) -> Result:
    """Play a seed in an empty folder; needs root, for the disk."""
    steps = plan(seed, seconds)
    (folder / "plan").write_text("\n".join(map(str, steps)) + "\n")
    books, done = Books(), list[Step]()
    with ExitStack() as stack:
        disk = stack.enter_context(Disk(folder))
        relays = {
            name: stack.enter_context(Smarthost(name, seed, books)) for name in "ab"
        }
        for spool in SPOOLS:
            (disk.root / spool).mkdir(mode=0o3733)
        stage = Stage(seed, books, folder, disk, relays)
        with _ended(stage):
            _act(stage, steps, done)
            _last_rest(stage)
        remains = read(disk.root)
    violations = judge(books, remains)
    told = f"{summary(books, remains)}\nat rest      {_shown(stage.measured)}"
    result = Result(
        seed=seed,
        seconds=seconds,
        violations=tuple(violations),
        summary=told,
        steps=tuple(done),
        folder=folder,
    )
    text = "\n".join([told, *violations, result.verdict])
    (folder / "verdict").write_text(text + "\n")
    return result


@contextmanager
def _ended(stage: Stage) -> Iterator[None]:
    """Leave no process behind, whatever happens."""
    try:
        yield
    finally:
        stage.keeper.close()


def _act(stage: Stage, steps: Sequence[Step], done: list[Step]) -> None:
    """Do each step when it is its time, or as soon as one can."""
    began, waiting = monotonic(), threading.Event()
    for step in steps:
        waiting.wait(max(0.0, began + step.at - monotonic()))
        rests = monotonic()
        if step.act in _WAITED_FOR and rests > began + step.at + _LATE:
            continue  # on a slow machine less happens, but it ends in time
        stage.do(step)
        done.append(step)
        if step.act == "rest":  # what follows keeps its distance
            began += monotonic() - rests


def _last_rest(stage: Stage) -> None:
    """Start once more, for what was left alone; then stop for good."""
    stage.do(Step(at=0, act="stop"))
    stage.do(Step(at=0, act="start"))
    stage.settle("all")
    stage.do(Step(at=0, act="stop"))
    stage.finish()


def _shown(measured: Sequence[Vitals]) -> str:
    return ", ".join(
        f"{each.memory // 1024} MiB, {len(each.descriptors)} descriptors, "
        f"{each.threads} threads"
        for each in measured
    )
