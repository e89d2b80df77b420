# SPDX-License-Identifier: Apache-2.0
"""Exim, OpenSMTPD, nullmailer and dma for the course.

They are filled by their own ``sendmail`` once for each size, and the spool is
kept, to be put back before each run.
"""

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import mails
from bench.delivery.group import Group, group
from bench.delivery.network import SERVER
from bench.delivery.rooted import Rooted
from bench.delivery.side import Begun, From, Load
from bench.submission import peers
from bench.submission.contender import ARGUMENTS, Call
from bench.submission.debian import MAIL
from bench.submission.peers import Command, Recipe
from bench.submission.runs import called
from bench.waiting import until
from tests.system.root import minimal_with, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How one of them is filled, and told to deliver."""

    recipe: Recipe
    spool: str  # what is kept and put back
    queue: str  # below which there are files while mails wait
    sendmail: Sequence[str] = ()  # options for only queueing
    delivers: Command
    held_by: Command = ()  # to the running daemon, so that it only queues
    clear: str = ""  # below which nothing may be left of a killed one
    is_drop: bool = False  # programs may leave mails there themselves


# Its specification, on queue runners: more than one may work.  -qq, which it
# advises against many mails for one host, was seen to be ten times slower here.
_RUNNERS = "for each in 1 2 3 4; do exim4 -qff & done; wait"
EXIM = Habit(
    recipe=peers.exim(SERVER),
    spool="var/spool/exim4",
    queue="var/spool/exim4/input",
    sendmail=("-odq",),
    delivers=("sh", "-c", _RUNNERS),
)
_OPENSMTPD = peers.opensmtpd(SERVER)
OPENSMTPD = Habit(
    recipe=_OPENSMTPD,
    spool="var/spool/smtpd",
    queue="var/spool/smtpd/queue",
    delivers=_OPENSMTPD.daemon,
    held_by=("smtpctl", "pause", "mta"),
    clear="run",
)
_NULLMAILER = peers.nullmailer(SERVER)
NULLMAILER = Habit(
    recipe=_NULLMAILER,
    spool="var/spool/nullmailer",
    queue="var/spool/nullmailer/queue",
    delivers=_NULLMAILER.daemon,
    is_drop=True,
)
DMA = Habit(
    recipe=peers.dma(SERVER, deferred=True),
    spool="var/spool/dma",
    queue="var/spool/dma",
    delivers=("dma", "-q"),
)


class Debian:
    """One of them, for one run after the other."""

    def __init__(self, habit: Habit, root: Path, groups: Path) -> None:
        """Take where its root will be unpacked, when it is needed first."""
        self.name = habit.recipe.name.split(",")[0]
        self._habit = habit
        self._root = root
        self._groups = groups
        self._kept: dict[tuple[int, int], Path] = {}

    def takes(self, load: Load) -> bool:
        """Not more than can be handed over in reasonable time."""
        known = load.where is From.QUEUE or self._habit.is_drop
        return known and load.recipients == 1 and load.count <= 2000

    def fill(self, load: Load) -> None:
        """Put the spool back."""
        key = (load.count, load.size)
        if key not in self._kept:
            self._kept[key] = self._filled(load)
        self._put_back(self._kept[key])

    def begin(self, group: Group, load: Load) -> Begun:
        """Start what delivers."""
        assert load.count
        self._clear()
        begun = Begun(at=time.monotonic())
        group.start(self._rooted.inside(self._habit.delivers))
        return begun

    def left(self) -> int:
        """Count the files that are mails, or parts of them."""
        queue = self._rooted.root / self._habit.queue
        own = {"lock", "flush", "envelope-lock", "trigger"}
        return sum(
            1 for path in queue.rglob("*") if path.name not in own and not path.is_dir()
        )

    def highest(self) -> float:
        """Not known."""
        return 0.0

    def end(self) -> None:
        """It is killed."""

    def close(self) -> None:
        """Let the log go."""
        if self._root.exists():
            self._rooted.close()

    @cached_property
    def _rooted(self) -> Rooted:
        unpack(minimal_with(self._habit.recipe.package), self._root)
        return Rooted(self._habit.recipe, self._root)

    def _clear(self) -> None:
        if self._habit.clear:
            for path in (self._rooted.root / self._habit.clear).rglob("*.sock"):
                path.unlink()

    def _filled(self, load: Load) -> Path:
        root, habit = self._rooted.root, self._habit
        spool = root / habit.spool
        empty = root / "var/tmp/empty"
        if not empty.exists():
            spool.mkdir(mode=0o711, exist_ok=True)  # one makes its own, later
            subprocess.run(["/usr/bin/cp", "-aT", spool, empty], check=True)
        self._put_back(empty)
        self._clear()
        (root / MAIL).write_bytes(mails.message(0, load.size))
        call = Call(
            root=root,
            argv=(peers.SENDMAIL, *habit.sendmail, *ARGUMENTS),
            mail=f"/{MAIL}",
            environ={},
        )
        with group(self._groups, f"{self.name}-filling") as filling:
            if habit.held_by:
                filling.start(self._rooted.inside(habit.recipe.daemon))
                until(lambda: self._is_held(filling), "it is held", limit=60)
            called(call, load.count, 8)
        kept = root / f"var/tmp/{load.count}-{load.size}"
        subprocess.run(["/usr/bin/cp", "-aT", spool, kept], check=True)
        return kept

    def _is_held(self, filling: Group) -> bool:
        with suppress(subprocess.CalledProcessError):  # it is not there yet
            self._rooted.run(self._habit.held_by, filling, quiet=True)
            return True
        return False

    def _put_back(self, kept: Path) -> None:
        spool = self._rooted.root / self._habit.spool
        shutil.rmtree(spool)
        subprocess.run(["/usr/bin/cp", "-aT", kept, spool], check=True)
