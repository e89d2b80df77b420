# SPDX-License-Identifier: Apache-2.0
"""Runs the trials of one scene in a process of its own, or shows those of all.

A process of its own, because the shim must be loaded before all else, and
because forking needs one that has no threads.  ``python -m
tests.faults.steps_run`` prints how many trials each scene has.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.faults.steps_attempts import attempts
from tests.faults.steps_drop import drops
from tests.faults.steps_life import life
from tests.faults.steps_openings import migrations, openings
from tests.faults.steps_shim import Shim, build
from tests.faults.steps_transitions import transitions
from tests.faults.steps_trial import Result, Trials

GROUPS: Mapping[str, Callable[[], Mapping[str, Mapping[str, Any]]]] = {
    "store": transitions,
    "attempt": attempts,
    "opening": openings,
    "migration": migrations,
    "drop": drops,
    "life": life,
}
_HOME = Path(__file__).resolve().parents[2]
_LONG = 600


def run(group: str, row: str, name: str) -> Result:
    """Have another process do it."""
    command = [sys.executable, "-m", "tests.faults.steps_run", group, row, name]
    done = subprocess.run(
        command,
        cwd=_HOME,
        env={**os.environ, "LD_PRELOAD": str(build())},
        capture_output=True,
        timeout=_LONG,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return Result(**json.loads(done.stdout))


def show() -> None:
    """Run everything; print each scene's calls and trials, and what is wrong."""
    total = 0
    for group, scenes in GROUPS.items():
        for row, names in scenes().items():
            for name in names:
                result = run(group, row, name)
                total += result.trials
                figures = f"{len(result.calls):4} {result.trials:5}"
                sys.stdout.write(f"{figures} {group}: {row[:40]}: {name}\n")
                sys.stdout.writelines(f"  {each}\n" for each in result.wrong)
    sys.stdout.write(f"{total} trials\n")


def _try_one(group: str, row: str, name: str) -> None:
    """Run the trials, in memory where there is some."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    shim = Shim()
    with TemporaryDirectory(dir=place) as folder:
        result = Trials(shim, Path(folder)).run(GROUPS[group]()[row][name])
    shim.let_go()
    sys.stdout.write(json.dumps(asdict(result)))


if __name__ == "__main__":
    if sys.argv[1:]:
        _try_one(*sys.argv[1:])
    else:
        show()
