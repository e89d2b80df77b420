# SPDX-License-Identifier: Apache-2.0
"""Whether a relay refuses one mail, or refuses us: what becomes of others tells.

"Relay access denied" is said to the first mail of a host that is not trusted
any more, and to every other one.  So such a refusal is believed only when the
relay has taken other mail since; until then the mail waits, and when several
are refused so and none is taken, somebody has to be told.
"""

import threading
from collections.abc import Sequence
from enum import Enum, auto

from maildropd.mail.envelope import QueueId
from maildropd.mail.outcome import Disposition, Outcome, Sign

_ENOUGH = 3  # messages in a row: that is no coincidence any more
_REMEMBERED = 10_000


class Belief(Enum):
    """How to take a refusal by policy."""

    ABOUT_MAIL = auto()  # other mail goes: it is final
    OPEN = auto()  # nobody knows yet: the mail waits
    ABOUT_US = auto()  # nothing goes: all mail waits


class Standing:
    """What one relay made of our mail lately; shared by its connections."""

    def __init__(self) -> None:
        """Begin without a suspicion."""
        self._lock = threading.Lock()
        self._taken = 0  # messages
        self._refused: dict[QueueId, int] = {}  # and how many were taken before
        self._running: set[QueueId] = set()  # refused since the last was taken

    def taken(self) -> None:
        """Note that the relay took a message."""
        with self._lock:
            self._taken += 1
            self._running.clear()

    def refused(self, queue_id: QueueId) -> Belief:
        """Note that it refused one by policy; return how to take that."""
        with self._lock:
            before = self._refused.pop(queue_id, self._taken)
            if before < self._taken:
                return Belief.ABOUT_MAIL
            self._refused[queue_id] = self._taken
            if len(self._refused) > _REMEMBERED:
                del self._refused[next(iter(self._refused))]
            if len(self._running) < _ENOUGH:
                self._running.add(queue_id)
            enough = len(self._running) == _ENOUGH
        return Belief.ABOUT_US if enough else Belief.OPEN


def delivered(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether somebody got the mail."""
    return any(each.disposition is Disposition.DELIVERED for each in outcomes)


def answered(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether the server had its say about somebody."""
    return any(each.sign is not Sign.CUT for each in outcomes)


def unwelcome(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the refusals that may mean us."""
    return [each for each in outcomes if each.sign is Sign.UNWELCOME]


def put_off(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Let wait who was refused so."""
    return tuple(
        Outcome.waiting(each.reply, each.relay, each.sign)
        if each.sign is Sign.UNWELCOME
        else each
        for each in outcomes
    )
