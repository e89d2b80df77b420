# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: who sends much waits for nobody, and keeps nobody waiting.

What is ready has a due time that has passed, so that time can say the order.
While mail piles up, each sender's next message gets the turn after his last
one; who had nothing waiting comes at once (start-time fair queueing).
"""

from maildropd.mail.envelope import Priority, Submission

_STEP = 10  # microseconds from one turn of a sender to his next
_FLOWS = 10_000  # remembered; with more, the oldest comes as if he were new


class Turns:
    """Used by the writer's thread alone; forgotten at a restart."""

    def __init__(self) -> None:
        """Begin with nothing piled up."""
        self._piled_up = False
        self._present = 0  # the turn that was served last
        self._last: dict[tuple[object, ...], int] = {}

    def served(self, turns: list[int], *, more: bool) -> None:
        """Note which were claimed, in order, and whether more wait."""
        if turns:
            self._present = turns[-1]
        self._piled_up = more
        if not more:
            self._last.clear()

    def next(self, submission: Submission, arrived: int) -> int:
        """Return when a new message is due; never after its arrival."""
        flow = _flow(submission)
        before = self._last.pop(flow, None)
        if not (self._piled_up or self._last or before):
            self._present = arrived - 1  # nobody waits
        turn = self._present + 1
        if before is not None and before >= turn:  # it waits still
            turn = before + _cost(submission.priority) * len(submission.recipients)
        self._last[flow] = turn = min(turn, arrived)
        if len(self._last) > _FLOWS:
            del self._last[next(iter(self._last))]
        return turn


def _flow(submission: Submission) -> tuple[object, ...]:
    who = submission.submitter
    return who.uid, who.unit, who.rules, submission.priority


def _cost(priority: Priority) -> int:
    match priority:
        case Priority.HIGH:
            return _STEP // 10
        case Priority.NORMAL:
            return _STEP
        case Priority.LOW:
            return _STEP * 10
