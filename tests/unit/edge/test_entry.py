# SPDX-License-Identifier: Apache-2.0
"""From a draft to the store: large messages take turns, and errors hold nothing."""

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from maildropd.edge.entry import Entry
from maildropd.edge.ferry import Ferry
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import QueueId, Submission, Submitter
from maildropd.mail.errors import Malformed
from maildropd.store.base import Stored
from tests.fakes.gate import OpenGate

SOMEBODY = Submitter(name="smtp", uid=1000)


@dataclass
class SlowInjector:
    """Commits when it is told to."""

    begun: list[Future[Stored]] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    def submit(self, submission: Submission) -> Future[Stored]:
        future: Future[Stored] = Future()
        self.begun.append(future)
        self.changed.set()
        return future

    def commit(self) -> None:
        for number, future in enumerate(self.begun):
            future.set_result(Stored(queue_id=QueueId(f"Q{number}"), size=1))


@dataclass
class Drafts:
    """Counts how many are made at the same time."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    two: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def __call__(self) -> Draft:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            self.two.wait(0.05)  # a second one, if it may, comes in this time
        except threading.BrokenBarrierError:
            self.two.reset()
        with self.lock:
            self.now -= 1
        to = Recipient(forward_path="bob@example.net")
        return Draft(reverse_path=None, recipients=(to,), header=b"\n")


def entry(injector: SlowInjector) -> Entry:
    return Entry(gate=OpenGate(), injector=injector, ferry=Ferry())


def test_large_messages_are_made_one_at_a_time_and_share_a_commit() -> None:
    """A header of megabytes for each of a hundred sessions would fill our memory."""
    injector, drafts = SlowInjector(), Drafts()

    async def run() -> list[Stored]:
        to = entry(injector)
        tasks = [
            asyncio.create_task(to.store(drafts, SOMEBODY, None, small=False))
            for _ in range(4)
        ]
        async with asyncio.timeout(20):
            while len(injector.begun) < len(tasks):  # before any is committed
                await asyncio.to_thread(injector.changed.wait, 20)
                injector.changed.clear()
            injector.commit()
            return await asyncio.gather(*tasks)

    assert len({each.queue_id for each in asyncio.run(run())}) == 4
    assert drafts.most == 1


def test_an_error_about_a_large_message_does_not_hold_it() -> None:
    """An error lives as long as its session, and keeps the frames it came through."""

    def draft() -> Draft:
        raise Malformed("too large a header")

    async def run() -> None:
        await entry(SlowInjector()).store(draft, SOMEBODY, None, small=False)

    with pytest.raises(Malformed) as found:
        asyncio.run(run())

    names = [each.name for each in found.traceback]
    assert "draft" not in names


def test_one_key_of_two_clients_of_the_network_is_two() -> None:
    """The second one's mail was answered with the first one's, and lost."""

    class Keys:
        def __init__(self) -> None:
            self.found: list[str | None] = []

        def submit(self, submission: Submission) -> Future[Stored]:
            self.found.append(submission.key)
            return Future()

    keys = Keys()
    to = Entry(gate=OpenGate(), injector=keys, ferry=Ferry())
    bob = Recipient(forward_path="bob@example.net")
    draft = Draft(reverse_path=None, recipients=(bob,), header=b"\n")
    for uid, client in ((None, "192.0.2.1"), (None, "192.0.2.2"), (1000, "192.0.2.1")):
        to.submit(draft, Submitter(name="smtp", uid=uid, client=client), "k")
    to.submit(draft, SOMEBODY, "k")

    assert len(set(keys.found[:3])) == 3
    assert keys.found[2] == keys.found[3]
