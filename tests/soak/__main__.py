# SPDX-License-Identifier: Apache-2.0
"""Play one seed: ``python3 -m tests.soak --seed N --minutes M`` (root)."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from secrets import randbelow

from tests.soak.plan import plan
from tests.soak.play import play


def main() -> int:
    """Play, and say how it went."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=randbelow(1_000_000))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, help="where to play, and what to keep")
    parser.add_argument("--plan", action="store_true", help="only print the schedule")
    found = parser.parse_args()
    if found.plan:
        _say(*plan(found.seed, found.minutes * 60))
        return 0
    folder = found.folder or Path(tempfile.mkdtemp(prefix="maildropd-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"soak: seed {found.seed}, in {folder}")
    # Or who is told to end leaves a daemon and a mount behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = play(found.seed, found.minutes * 60, folder)
    _say(result.summary, *result.violations, result.verdict)
    if not result.violations and not found.folder:
        shutil.rmtree(folder)
    return bool(result.violations)


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
