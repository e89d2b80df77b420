# SPDX-License-Identifier: Apache-2.0
"""An ``os`` that fails, or dies, at a chosen call."""

import os
import signal
from collections.abc import Callable
from typing import Any

CHANGING = frozenset(
    ("open", "write", "fsync", "link", "unlink", "mkdir", "close", "rename")
)


class FailingOs:
    """The real ``os``, but for one call: it raises before anything is done."""

    def __init__(self, fails_at: int, error: OSError) -> None:
        self.calls: list[str] = []
        self._fails_at = fails_at
        self._error = error

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(name, real) if name in CHANGING else real

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) == self._fails_at:
                if name == "close":  # a close that fails has closed all the same
                    real(*values)
                raise self._error
            return real(*values)

        return call


class Steps:
    """Counts what a process does, and kills it before step n."""

    def __init__(self, dies_at: int) -> None:
        self.done = 0
        self._dies_at = dies_at

    def __call__(self, _what: object) -> None:
        self.done += 1
        if self.done == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class DyingOs:
    """The real ``os``, counting its steps."""

    def __init__(self, step: Steps) -> None:
        self._step = step

    def __getattr__(self, name: str) -> Any:
        if name in CHANGING:
            self._step(name)
        return getattr(os, name)
