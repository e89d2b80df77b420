# SPDX-License-Identifier: Apache-2.0
"""One of Debian's mail systems in a root of its own, for the course."""

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bench.delivery.group import Group
from bench.logs import Bin
from bench.submission.debian import NAMES
from bench.submission.peers import Command, Recipe
from bench.waiting import until

_STILL = 0.5  # seconds without work


class Rooted:
    """A root where a recipe was followed; its log goes nowhere."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.root = root
        for name, text in {**NAMES, **recipe.files}.items():
            (root / name).write_text(text)
        for command in recipe.prepared_by:
            self.run(command)
        self._log = Bin(root / "dev/log")

    def inside(self, command: Command) -> list[str]:
        """Return a command that runs in the root."""
        return ["/usr/sbin/chroot", str(self.root), *command]

    def run(
        self, command: Command, group: Group | None = None, *, quiet: bool = False
    ) -> None:
        """Run a command in the root, and wait for it."""
        around = group.around() if group else []
        subprocess.run(
            [*around, *self.inside(command)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if quiet else None,
        )

    def close(self) -> None:
        """Let the log go."""
        self._log.__exit__()


def at_rest(group: Group) -> None:
    """Wait until what was started has nothing more to do."""
    seen: list[float] = []

    def is_still() -> bool:
        seen.append(group.cpu())
        return len(seen) > 1 and seen[-1] - seen[-2] < _STILL / 100

    until(is_still, "all is at rest", pace=_STILL, limit=60)


def files(folders: Iterable[Path]) -> int:
    """Count the files below some folders; they may vanish meanwhile."""
    return sum(len(names) for top in folders for _, _, names in os.walk(top))


def emptied(folder: Path) -> None:
    """Remove all files below a folder, and leave the directories."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(place, name))
