# SPDX-License-Identifier: Apache-2.0
"""The daemon that a PID file names: whether it runs, and how it is ended.

It runs as long as it holds the lock on the file.  The number alone proves
nothing: after a crash it may be another process by now.
"""

import fcntl
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_GRACE = 60.0  # seconds; mail in flight has 30 (drain_timeout)
_HASTE = 10.0
_DIGITS = 20

State = Literal["running", "none", "garbage", "stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the file says."""

    state: State
    pid: int = 0  # 0: it has just started, and not written it yet


def look(path: Path) -> Found:
    """Tell whether a daemon runs; nothing is changed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Found(state="none")
    try:
        text = os.read(descriptor, _DIGITS)
        number = int(text) if text.strip().isdigit() else 0
        if _is_locked(descriptor):
            return Found(state="running", pid=number)
        return Found(state="stale" if number else "garbage", pid=number)
    finally:
        os.close(descriptor)


def end(path: Path, pid: int) -> None:
    """Have a daemon finish what it does, and return when it is gone.

    It is killed if it does not come to its end: its queue is made for that.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Now the number cannot become another's; was it still his?
        if look(path) != Found(state="running", pid=pid):
            return
        for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _HASTE)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
            if select.select([process], [], [], patience)[0]:
                break
    finally:
        os.close(process)
    with suppress(FileNotFoundError):
        os.unlink(path)


def is_maildrophost(pid: int) -> bool:
    """Tell whether a process is the daemon that we replace, which locks nothing."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(os.path.basename(word) == b"maildrop.py" for word in words)


def is_worked_in(folder: str) -> bool:
    """Tell whether some daemon of ours takes mail from a directory."""
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        descriptor = os.open(folder, flags)
    except OSError:
        return False
    try:
        return _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
