# SPDX-License-Identifier: Apache-2.0
"""A spool on a stage: real files, a clock held by hand, a store of paper."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from maildropd.config.model import Form, QueueConfig, Size, SpoolConfig
from maildropd.edge.spool.custom import Custom
from maildropd.edge.spool.door import Door
from maildropd.edge.spool.pickup import Pickup
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.watch import Changes, DirectoryWatch
from maildropd.mail.envelope import Submission, Submitter, queue_id
from maildropd.mail.errors import MailError
from maildropd.policy.gate import Gate
from maildropd.store.base import Stored
from tests.fakes.clock import FakeClock
from tests.fakes.gate import open_admission
from tests.fakes.journal import FakeJournal

MAIL = b"##To:bob@example.net\n##From:carol@example.org\nSubject: hi\n\nhello\n"
CONTENT = b"Subject: hi\n\nhello\n"
SETTLE = timedelta(seconds=5)
POLL = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the injector was handed."""

    content: bytes
    recipients: tuple[str, ...]
    reverse_path: str | None
    submitter: Submitter
    key: str | None
    verp: str = ""
    hold: bool = False


class PaperStore:
    """Injector and keys; refuses, delays and fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.submissions = 0
        self.keys: set[str] = set()
        self.forgotten: list[str] = []
        self.troubles: deque[Exception | None] = deque()  # None: works
        self.broken: Exception | None = None
        self.before_reading: Callable[[], object] = lambda: None
        self.while_storing: Callable[[], object] = lambda: None
        self.before_forgetting: Future[None] | None = None

    def submit(self, submission: Submission) -> Future[Stored]:
        self.submissions += 1
        future: Future[Stored] = Future()
        trouble = self.troubles.popleft() if self.troubles else self.broken
        self.before_reading()
        try:
            content = b"".join(submission.content)
            if trouble:
                raise trouble
        except MailError as error:
            future.set_exception(error)
            return future
        self.while_storing()
        assert submission.key
        repeated = submission.key in self.keys
        self.keys.add(submission.key)
        if not repeated:
            self.taken.append(_taken(submission, content))
        number = queue_id(datetime(2026, 1, 1, tzinfo=UTC), len(self.taken))
        future.set_result(Stored(queue_id=number, size=len(content), repeated=repeated))
        return future

    def forget_keys(self, keys: Sequence[str]) -> Future[None]:
        if self.before_forgetting:
            return self.before_forgetting
        self.forgotten.extend(keys)
        self.keys.difference_update(keys)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    @property
    def contents(self) -> list[bytes]:
        return [each.content for each in self.taken]


def _taken(submission: Submission, content: bytes) -> Taken:
    return Taken(
        content=content,
        recipients=submission.recipients,
        reverse_path=submission.reverse_path,
        submitter=submission.submitter,
        key=submission.key,
        verp=submission.verp,
        hold=submission.hold,
    )


class HandWatch:
    """Reports what a test says, and never waits."""

    def __init__(self) -> None:
        self.reports: deque[Changes] = deque()
        self.refusal: Exception | None = None
        self.waits: list[timedelta] = []

    def begin(self, directory: int) -> str:
        if self.refusal:
            raise self.refusal
        return "hand on " + os.readlink(f"/proc/self/fd/{directory}")

    def wait(self, timeout: timedelta) -> Changes:
        self.waits.append(timeout)
        return self.reports.popleft() if self.reports else Changes()

    def wake(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing is open."""


class Stage:
    """One spool, turned by hand instead of by its thread."""

    def __init__(
        self, folder: Path, limit: int = 1_000_000, form: Form = Form.DROP
    ) -> None:
        self.config = SpoolConfig(
            name="drop",
            path=folder / ("drop" if form is Form.DROP else "new"),
            form=form,
            quarantine=folder / "quarantine",
            settle_time=SETTLE,
            poll_interval=POLL,
        )
        self.limits = QueueConfig(message_size_limit=Size(limit))
        self.path = self.config.path
        self.path.mkdir()
        self.clock = FakeClock()
        # A moment ahead of the kernel, whose times the files have.
        self.clock.time = datetime.now(UTC) + timedelta(seconds=1)
        self.journal = FakeJournal()
        self.heartbeats = Heartbeats(self.clock)
        self.store = PaperStore()
        self.watch = HandWatch()
        self.restart()

    def restart(self, gate: Gate | None = None, **changes: Any) -> None:
        """Let another process take over, with other settings, or a real gate."""
        self.close()
        self.config = replace(self.config, **changes)
        passage = open_admission(self.path.parent, self.limits)
        passage = replace(passage, gate=gate or passage.gate)
        door = Door(injector=self.store, keys=self.store, admission=passage)
        self.pickup = Pickup(self.config, self.limits, door, self._the_watch, self)
        self.pickup._watch = self.watch

    @property
    def custom(self) -> Custom:
        return self.pickup._taker.custom

    def _the_watch(self) -> DirectoryWatch:
        return self.watch

    def write(self, name: str | bytes, content: bytes = MAIL) -> Path:
        path = self.path / os.fsdecode(name)
        path.write_bytes(content)
        return path

    def closed(self, *names: str | bytes) -> None:
        """Let the kernel report files that were written."""
        self.watch.reports.append(Changes(closed=_octets(names)))
        self.run()

    def gone(self, *names: str | bytes) -> None:
        """Let the kernel report files that were removed."""
        self.watch.reports.append(Changes(gone=_octets(names)))
        self.run()

    def run(self) -> None:
        """Turn until all that can be done now is done."""
        self.pickup._turn()
        while self.pickup._scan or self.watch.reports:
            self.pickup._turn()

    def rest(self, time: timedelta = SETTLE) -> None:
        """Let everything come to rest, and be looked at."""
        self.run()
        self.clock.forward(time + timedelta(milliseconds=1))
        self.run()

    @property
    def contents(self) -> list[bytes]:
        return self.store.contents

    def names(self) -> list[str]:
        return sorted(os.listdir(self.path))

    def quarantined(self) -> list[str]:
        return sorted(os.listdir(self.config.quarantine))

    def close(self) -> None:
        if hasattr(self, "pickup"):
            self.pickup._leave()


def _octets(names: Iterable[str | bytes]) -> tuple[bytes, ...]:
    return tuple(os.fsencode(name) for name in names)
