# SPDX-License-Identifier: Apache-2.0
"""Our hand on the system calls of a process: which one fails, which is the last.

steps_shim.c does it, preloaded; its plan lies in shared memory, so that a
parent reads what a child came to after the child is dead.
"""

import ctypes
import errno
import hashlib
import mmap
import os
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("steps_shim.c")
_PATH = 4096
_TRACED, _WORD = 512, 64
_NEW_ROOM = frozenset(("create", "write", "sync", "link", "rename", "mkdir"))


class Mode(IntEnum):
    """What happens at the chosen call."""

    PASS = 0
    FAIL_ONCE = 1
    FAIL_ON = 2  # that call, and all that follow
    DIE_BEFORE = 3
    TEAR = 4  # half of a write is made, then the process dies
    FAIL_DATABASE = 5  # that call, and those that follow on queue.db and its log


_Ends = tuple[tuple[Mode, bool], ...]
_ENDS: _Ends = (
    (Mode.FAIL_ONCE, False),
    (Mode.FAIL_ONCE, True),
    (Mode.FAIL_ON, False),
    (Mode.FAIL_ON, True),
)
_TWO_ENDS: _Ends = ((Mode.FAIL_ONCE, False), (Mode.FAIL_ON, True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, at one call."""

    mode: Mode = Mode.PASS
    at: int = 0
    error: int = 0
    heals: bool = False  # and the process goes on, instead of being killed

    @property
    def kills(self) -> bool:
        return self.mode in (Mode.DIE_BEFORE, Mode.TEAR)

    @property
    def name(self) -> str:
        return f"{self.mode.name} {errno.errorcode.get(self.error, '')}".strip()

    def __str__(self) -> str:
        return f"{self.name}{' and heals' * self.heals} at call {self.at}"


class Plan(ctypes.Structure):
    """Laid out as in steps_shim.c."""

    _fields_ = (
        ("armed", ctypes.c_int),
        ("mode", ctypes.c_int),
        ("at", ctypes.c_long),
        ("error", ctypes.c_int),
        ("renames_cross", ctypes.c_int),
        ("calls", ctypes.c_long),
        ("broken", ctypes.c_long),
        ("root", ctypes.c_char * _PATH),
        ("synced", ctypes.c_char * _PATH),
        ("trace", (ctypes.c_char * _WORD) * _TRACED),
    )


class Shim:
    """The plan of this process and of those that it forks."""

    def __init__(self) -> None:
        """Take hold of what was preloaded."""
        self._memory = mmap.mmap(-1, ctypes.sizeof(Plan))
        self.plan = Plan.from_buffer(self._memory)
        ctypes.CDLL(None).steps_use(ctypes.byref(self.plan))

    def watch(self, root: Path, synced: Path | None = None) -> None:
        """Look at what is below a directory; nothing is counted yet."""
        self.plan.armed = 0
        self.plan.root = bytes(root)
        self.plan.synced = bytes(synced) if synced else b""
        self.plan.calls = self.plan.broken = 0

    def arm(self, fault: Fault) -> None:
        """Count from here on, and break what is to break."""
        self.plan.mode, self.plan.at = fault.mode, fault.at
        self.plan.error = fault.error
        self.plan.armed = 1

    def let_go(self) -> None:
        """Let the calls that come at the end of the process be."""
        ctypes.CDLL(None).steps_use(None)

    def mark(self, word: str) -> None:
        """Count something that is no system call."""
        ctypes.CDLL(None).steps_mark(word.encode())

    def disarm(self) -> None:
        """Let everything work again."""
        self.plan.armed = 0

    @property
    def trace(self) -> list[str]:
        """Return the calls that were counted."""
        words = self.plan.trace[: min(self.plan.calls, _TRACED)]
        return [bytes(word.value).decode() for word in words]


def faults(trace: list[str], *, sampled: bool = False) -> list[Fault]:
    """Return all that can go wrong in a run that makes these calls.

    A sample has each crash, and of the failures of each call one.
    """
    found = []
    for at, call in enumerate(trace, 1):
        kind = call.split()[0]
        found.append(Fault(mode=Mode.DIE_BEFORE, at=at))
        if kind == "write":
            found.append(Fault(mode=Mode.TEAR, at=at))
        failures = [
            Fault(mode=mode, at=at, error=error, heals=heals)
            for error, (mode, heals) in _failures(kind)
            if mode is not Mode.FAIL_DATABASE or "queue.db" in call
        ]
        if sampled and failures:
            failures = [failures[at % len(failures)]]
        found += failures
    return found


def _failures(kind: str) -> list[tuple[int, tuple[Mode, bool]]]:
    """Return the errors of a call; each way to end for those that differ."""
    if kind == "mark":
        return []
    errors = {errno.EIO: _ENDS}
    if kind == "sync":
        errors[errno.EIO] = (*_ENDS, (Mode.FAIL_DATABASE, False))
    if kind in _NEW_ROOM:
        errors |= {errno.ENOSPC: _ENDS, errno.EDQUOT: _TWO_ENDS}
    if kind in ("open", "create"):
        errors[errno.EMFILE] = _TWO_ENDS
    return [(error, end) for error, ends in errors.items() for end in ends]


def build() -> Path:
    """Compile the shim, unless that was done before."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
    library = cache / "maildropd" / f"steps-{digest}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        made = library.with_name(f"{library.name}.{os.getpid()}")
        options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        subprocess.run(["gcc", *options, "-o", made, _SOURCE], check=True)
        made.replace(library)
    return library
