# SPDX-License-Identifier: Apache-2.0
"""What the edge asks of the floors below."""

from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from maildropd.edge.entry import Passed
from maildropd.edge.spool.admission import Carried
from maildropd.edge.spool.file import OpenFile
from maildropd.host.clock import Clock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import Submission, Submitter
from maildropd.mail.event import Journal
from maildropd.store.base import Stored


class Injector(Protocol):
    """The one door in."""

    def submit(self, submission: Submission) -> Future[Stored]:
        """Read the content before returning; done when it is durable."""
        ...


class Keys(Protocol):
    """The memory of what was submitted; the store has it."""

    def forget_keys(self, keys: Sequence[str]) -> Future[None]:
        """Let keys be used anew."""
        ...


class Admission(Protocol):
    """The policies; admission.py has them."""

    def passed(self, file: OpenFile, submitter: Submitter, key: str) -> Passed:
        """Return what is to be stored of a file that is a mail; raise ``MailError``."""
        ...

    def carried(
        self, pieces: Iterable[bytes], submitter: Submitter, done: Container[str]
    ) -> Iterator[Carried]:
        """Yield the mails of a file of frames; raise ``MailError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where mail goes in, and where what was submitted can be forgotten."""

    injector: Injector
    keys: Keys
    admission: Admission


class Surroundings(Protocol):
    """What every part of the daemon has around it."""

    @property
    def journal(self) -> Journal:
        """Where events go."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    @property
    def heartbeats(self) -> Heartbeats:
        """Where a loop proves that it goes on."""
        ...
