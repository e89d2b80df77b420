# SPDX-License-Identifier: Apache-2.0
"""What was seen from outside: who left what, which server took what, who died.

Everything is written down when it happens, by whoever saw it; what it means
is the judge's business.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from tests.soak.heard import Heard
from tests.soak.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A letter that its writer has finished; its octets can be made again."""

    key: str
    sender: str
    recipients: tuple[str, ...]
    digest: str
    uid: int
    spool: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that a server took responsibility for."""

    at: float
    since: float  # when its connection was opened
    key: str
    sender: str
    recipients: tuple[str, ...]
    digest: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a sender was told of a letter, as a server took it."""

    name: str  # its own Message-ID
    key: str  # of the letter
    to: tuple[str, ...]
    recipients: tuple[str, ...]  # said to have failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A daemon that was killed, and how many messages it may have had in flight."""

    at: float
    in_flight: int


class Books:
    """Filled by many threads; read by the judge when all is over."""

    def __init__(self) -> None:
        """Know nothing."""
        self._lock = threading.Lock()
        self.posted: dict[str, Posted] = {}
        self.overwritten: dict[str, str] = {}  # keys, by the keys they wrote over
        self.spoilt: dict[str, str] = {}  # file name: what is wrong with it
        self.taken: list[Taken] = []
        self.reports: list[Report] = []
        self.refused: set[str] = set()  # recipients, for good, by a server
        self.removed: dict[str, float] = {}  # key: when an operator had removed it
        self.perhaps_removed: set[str] = set()
        self.deaths: list[Death] = []
        self.troubles: list[str] = []  # what must never happen, as it was seen
        self.heard = Heard()

    def post(self, letter: Letter, spool: str) -> None:
        """A writer has finished a letter."""
        with self._lock:
            self.posted[letter.key] = Posted(
                key=letter.key,
                sender=letter.sender,
                recipients=letter.recipients,
                digest=letter.digest,
                uid=letter.uid,
                spool=spool,
                at=monotonic(),
            )

    def took(self, taken: Taken) -> None:
        """A server has taken a message."""
        with self._lock:
            self.taken.append(taken)

    def reported(self, report: Report) -> None:
        """A server has taken a report."""
        with self._lock:
            self.reports.append(report)

    def refuse(self, recipients: tuple[str, ...]) -> None:
        """A server is about to refuse recipients for good."""
        with self._lock:
            self.refused.update(recipients)

    def died(self, in_flight: int) -> None:
        """A daemon is about to be killed."""
        with self._lock:
            self.deaths.append(Death(at=monotonic(), in_flight=in_flight))
            self.heard.killed()

    def trouble(self, what: str) -> None:
        """Something happened that never may."""
        with self._lock:
            if len(self.troubles) < 100:
                self.troubles.append(what)

    def told(self, kind: str, event: Mapping[str, str]) -> None:
        """The daemon has told an event."""
        with self._lock:
            self.heard.add(kind, event)
        if kind in _NEVER:
            self.trouble(f"the daemon said: {event}")

    def waiting(self) -> list[tuple[str, str]]:
        """Return queue id and key of what was accepted and is not delivered."""
        with self._lock:
            return list(self.heard.waiting.items())


# What is no event at all is a traceback, or a warning of Python's.
_NEVER = frozenset(("InternalError", "ContentLost", "LeaseLost", "LoopStuck", ""))
