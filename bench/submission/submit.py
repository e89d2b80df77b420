# SPDX-License-Identifier: Apache-2.0
"""Call one sendmail many times, from inside its root, and print when each ran.

A program of its own, as small as can be: what starts processes decides what
starting them costs.  It reads a job, and prints pairs of begin and end.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any


def main() -> int:
    """Do the job on standard input."""
    job: dict[str, Any] = json.load(sys.stdin)
    os.chroot(job["root"])
    os.chdir("/")
    left: int = job["count"]
    running: dict[int, float] = {}
    done: list[tuple[float, float]] = []
    while left or running:
        if left and len(running) < job["parallel"]:
            left -= 1
            began = time.monotonic()
            running[_start(job)] = began
        else:
            pid, status = os.wait()
            done.append((running.pop(pid), time.monotonic()))
            if status:
                print(f"sendmail: exit {os.waitstatus_to_exitcode(status)}")
                return 1
    json.dump(done, sys.stdout)
    return 0


def _start(job: Mapping[str, Any]) -> int:
    mail = (os.POSIX_SPAWN_OPEN, 0, job["mail"], os.O_RDONLY, 0)
    argv = job["argv"]
    return os.posix_spawn(argv[0], argv, job["environ"], file_actions=[mail])


if __name__ == "__main__":
    sys.exit(main())
