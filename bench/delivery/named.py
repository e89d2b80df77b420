# SPDX-License-Identifier: Apache-2.0
"""maildropd with names for its threads that the kernel shows, and their profiles.

As a program it takes a folder ("-": no profiles), then maildropd's arguments.
The profile counts each thread's processor time, not what it waits.
"""

import cProfile
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import FrameType

from maildropd.cli.maildropd import main as maildropd


def main() -> int:
    """Run the daemon, and write what its threads did."""
    folder, *arguments = sys.argv[1:]
    profiles: dict[str, cProfile.Profile] = {}
    # Each new thread calls it once, before it does anything else.
    threading.setprofile(partial(_begin, profiles if folder != "-" else None))
    try:
        if folder == "-":
            return maildropd(arguments)
        with cProfile.Profile(time.thread_time) as profile:
            return maildropd(arguments)
    finally:
        if folder != "-":
            profiles["main"] = profile
            _write(profiles, Path(folder))


def _begin(
    profiles: dict[str, cProfile.Profile] | None,
    _frame: FrameType,
    _event: str,
    _argument: object,
) -> None:
    sys.setprofile(None)
    thread = threading.current_thread()
    own = Path(f"/proc/self/task/{thread.native_id}/comm")
    own.write_text(thread.name[:15])
    if profiles is not None:
        profile = profiles[f"{thread.name}.{thread.native_id}"] = cProfile.Profile(
            time.thread_time
        )
        profile.enable()


def _write(profiles: dict[str, cProfile.Profile], folder: Path) -> None:
    taken: Counter[str] = Counter()
    for name, profile in profiles.items():
        kind = name.rpartition(".")[0] or name
        taken[kind] += 1
        profile.dump_stats(folder / f"{kind.replace('/', '-')}.{taken[kind]}.prof")


if __name__ == "__main__":
    sys.exit(main())
