# SPDX-License-Identifier: Apache-2.0
"""Data managers of others, which do something of ours at one of their steps."""

from collections.abc import Callable
from typing import Any

FIRST, LAST = "!", "~~"  # sort keys before and behind that of our own

STEPS = ("tpc_begin", "commit", "tpc_vote", "tpc_finish", "tpc_abort", "abort")


class Other:
    """Joins a transaction, and notes what it is asked to do."""

    def __init__(self, key: str, **acts: Callable[[], Any]) -> None:
        """Take what to do at a step: ``tpc_vote=fail``."""
        assert set(acts) <= set(STEPS)
        self.transaction_manager: Any = None
        self.steps: list[str] = []
        self._key = key
        self._acts = acts

    def sortKey(self) -> str:  # noqa: N802 - its name in the interface
        return self._key

    def tpc_begin(self, _transaction: Any) -> None:
        self._act("tpc_begin")

    def commit(self, _transaction: Any) -> None:
        self._act("commit")

    def tpc_vote(self, _transaction: Any) -> None:
        self._act("tpc_vote")

    def tpc_finish(self, _transaction: Any) -> None:
        self._act("tpc_finish")

    def tpc_abort(self, _transaction: Any) -> None:
        self._act("tpc_abort")

    def abort(self, _transaction: Any) -> None:
        self._act("abort")

    def _act(self, step: str) -> None:
        self.steps.append(step)
        self._acts.get(step, lambda: None)()


class Refused(Exception):
    """What another participant says."""


def refuse() -> None:
    raise Refused
