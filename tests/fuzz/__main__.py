# SPDX-License-Identifier: Apache-2.0
"""The long search: ``python3 -m tests.fuzz [--minutes M] [--seed N] [TARGET...]``.

The time is shared out evenly.  What breaks is named with its seed and, for a
parser, kept in a file; ``--replay TARGET FILE`` tries that again.
"""

import argparse
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from hypothesis import seed as seeded

from tests.fuzz.machines import MACHINES, run
from tests.fuzz.places import surroundings
from tests.fuzz.search import command
from tests.fuzz.targets import TARGETS, target

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".cache" / "fuzz"  # what was reached before is where it goes on
_LAST_WORDS = 3000  # characters


def main() -> int:
    found = _arguments()
    if found.replay:
        parser, file = found.replay
        target(parser)(Path(file).read_bytes())
        return 0
    names = found.targets or [*MACHINES, *TARGETS]
    seconds = max(1, round(found.minutes * 60 / len(names)))
    _say(f"seed {found.seed}, {seconds} s each: {' '.join(names)}")
    searches: dict[bool, Callable[[str, int, int], str]] = {
        True: _machine,
        False: _parser,
    }
    broken = 0
    for name in names:
        said = searches[name in MACHINES](name, seconds, found.seed)
        broken += said.startswith("BROKEN")
        _say(f"{name}: {said}")
    return 1 if broken else 0


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    names = [[], *MACHINES, *TARGETS]  # none at all is one, too
    parser.add_argument("targets", nargs="*", choices=names, metavar="TARGET")
    return parser.parse_args()


def _parser(name: str, seconds: int, seed: int) -> str:
    search = command(name, WORK, seconds=seconds, seed=seed)
    with surroundings() as environment:
        found = subprocess.run(
            search,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + 120,
            check=False,
        )
    if found.returncode:
        return f"BROKEN\n{found.stdout[-_LAST_WORDS:]}{found.stderr[-_LAST_WORDS:]}"
    done = re.search(r"Done (\d+) runs", found.stderr)
    reached = re.findall(r"cov: (\d+)", found.stderr)
    return f"{done[1] if done else 0} inputs, {reached[-1] if reached else 0} edges"


def _machine(name: str, seconds: int, seed: int) -> str:
    until = time.monotonic() + seconds
    rounds = 0
    while not rounds or time.monotonic() < until:
        try:
            run(seeded(seed + rounds)(MACHINES[name]()), examples=20)
        except AssertionError:
            return f"BROKEN with --seed {seed + rounds}\n{traceback.format_exc()}"
        rounds += 1
    return f"{20 * rounds} runs"


if __name__ == "__main__":
    sys.exit(main())
