# SPDX-License-Identifier: Apache-2.0
"""A real store with a few messages in it, for operators to work on."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId, Submission, Submitter, queue_id
from maildropd.mail.reply import Reply
from maildropd.store.base import Settlement, State, Stored
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

GREYLISTED = Reply(451, "4.7.1", "greylisted")


class Queue:
    """A store, filled by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.store = SqliteStore(
            folder / "state", "start", self.journal, self.clock, Heartbeats(self.clock)
        )
        self._added = 0

    def add(self, *recipients: str, sender: str | None = "ann@example.org") -> QueueId:
        """Store a message that arrived an hour ago."""
        return self._begin_to_add(recipients, sender).result(10).queue_id

    def add_many(self, number: int) -> list[QueueId]:
        """Store so many messages, together."""
        stored = [self._begin_to_add((), "ann@example.org") for _ in range(number)]
        return [each.result(10).queue_id for each in stored]

    def _begin_to_add(
        self, recipients: tuple[str, ...], sender: str | None
    ) -> Future[Stored]:
        self._added += 1
        arrived = self.clock.now() - timedelta(hours=1)
        submission = Submission(
            reverse_path=sender,
            recipients=recipients or ("bob@example.net",),
            submitter=Submitter(name="spool=drop", uid=1000),
            content=[b"Subject: hi\r\n\r\nhello\r\n"],
            message_id="<1@example.org>",
        )
        return self.store.add(
            submission,
            queue_id(arrived + timedelta(milliseconds=self._added), self._added),
            (arrived, arrived + timedelta(days=5)),
        )

    def defer(self, *, in_doubt: bool = False) -> None:
        """Have every due recipient refused for now, or cut off."""
        now = self.clock.now()
        for lease in self.store.claim(100, now, now + timedelta(minutes=1)).result(10):
            self.store.settle(
                [
                    Settlement(
                        queue_id=lease.envelope.queue_id,
                        recipient=recipient,
                        state=State.DEFERRED,
                        due=now + timedelta(minutes=12),
                        reply=GREYLISTED,
                        relay="mx.example.net:25",
                        in_doubt=in_doubt,
                    )
                    for recipient in lease.recipients
                ]
            ).result(10)

    def lease(self) -> None:
        """Begin to deliver everything."""
        now = self.clock.now()
        self.store.claim(100, now, now + timedelta(minutes=1)).result(10)

    def state(self, name: QueueId) -> State | None:
        """Return the state of a message's first recipient."""
        found = self.store.show(name)
        return found.recipients[0].state if found else None


@contextmanager
def a_queue(folder: Path) -> Iterator[Queue]:
    """Open a queue in a folder."""
    queue = Queue(folder)
    with closing(queue.store):
        yield queue
