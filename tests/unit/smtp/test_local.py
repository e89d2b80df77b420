# SPDX-License-Identifier: Apache-2.0
"""The daemon's own desk: who is served there, as whom."""

import asyncio
import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from maildropd.edge.entry import Entry
from maildropd.edge.ferry import Ferry
from maildropd.edge.listener import Crowd
from maildropd.edge.parcel import Allowance
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.grammar import Named, Offer
from maildropd.edge.smtp.local import LocalDesk, Office
from maildropd.mail.envelope import QueueId, Submission, Submitter
from maildropd.mail.errors import MailError, NotNow, StoreFull
from maildropd.mail.reply import Reply
from maildropd.mail.submission_events import SubmissionRefused
from maildropd.store.base import Stored
from tests.fakes.gate import OpenGate
from tests.fakes.journal import FakeJournal


class Injector:
    """Stores in a list, or fails as it is told."""

    def __init__(self) -> None:
        self.stored: list[tuple[Submission, bytes]] = []
        self.error: Exception | None = None

    def submit(self, submission: Submission) -> "Future[Stored]":
        future: Future[Stored] = Future()
        content = b"".join(submission.content)
        if self.error:
            future.set_exception(self.error)
        else:
            self.stored.append((submission, content))
            queue_id = QueueId("X" * 12)
            future.set_result(Stored(queue_id=queue_id, size=len(content)))
        return future


class Room:
    def __init__(self, folder: Path) -> None:
        self.injector = Injector()
        self.gate = OpenGate()
        self.journal = FakeJournal()
        entry = Entry(gate=self.gate, injector=self.injector, ferry=Ferry())
        self.office = Office(
            entry=lambda: entry,
            allowance=Allowance(1_000_000, folder),
            journal=self.journal,
            crowd=Crowd(100, lambda _: 100),
        )

    def desk(self, uid: int) -> LocalDesk:
        return LocalDesk(self.office, Submitter(name="smtp", uid=uid, unit="x.service"))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


@pytest.fixture
def connection() -> Iterator[Client]:
    """A connection of ours on loopback, as a gateway would tell of it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        address, port = client.getsockname()
        yield Client(
            address=address,
            port=port,
            server_address="127.0.0.1",
            server_port=listener.getsockname()[1],
        )


HELD = Offer(reverse_path="a@b", hold=True)


@pytest.mark.parametrize("uid", [0, os.geteuid()])
def test_root_and_the_daemons_user_hand_over_what_is_held(room: Room, uid: int) -> None:
    """Mail that must not leave by itself cannot be held only after it is in."""
    desk = room.desk(uid)

    async def run() -> None:
        await desk.offer(HELD)
        await desk.name(Named(forward_path="c@d"))
        await desk.take(desk.parcel())

    asyncio.run(run())

    ((stored, _),) = room.injector.stored
    assert stored.hold


def test_nobody_else_does(room: Room) -> None:
    """Who could would fill the queue with what never leaves."""
    with pytest.raises(MailError, match="XHOLD is for root"):
        asyncio.run(room.desk(os.geteuid() + 1000).offer(HELD))


def test_nor_does_a_client_of_the_gateway(room: Room) -> None:
    client = Client(
        address="192.0.2.7", port=40_000, server_address="192.0.2.1", server_port=25
    )
    desk = room.desk(0)
    desk.introduce(client)

    with pytest.raises(MailError, match="XHOLD is for root"):
        asyncio.run(desk.offer(HELD))


def handed_over(desk: LocalDesk, content: bytes, key: str | None = None) -> Reply:
    async def run() -> Reply:
        await desk.offer(Offer(reverse_path="a@b", ret="FULL", key=key, verp="-="))
        await desk.name(Named(forward_path="c@d", notify="NEVER"))
        parcel = desk.parcel()
        parcel.write(content)
        try:
            return await desk.take(parcel)
        finally:
            parcel.close()

    return asyncio.run(run())


def test_what_is_handed_over_is_stored_with_who_it_was(room: Room) -> None:
    reply = handed_over(room.desk(1000), b"Subject: s\r\n\r\nhi\r\n", key="k")

    assert (reply.code, reply.text) == (250, "ok, queued as XXXXXXXXXXXX")
    ((stored, content),) = room.injector.stored
    assert content == b"Subject: s\r\n\r\nhi\r\n"
    assert stored.submitter.uid == 1000
    assert stored.submitter.unit == "x.service"
    assert stored.key == "client:1000:k"
    assert stored.key_lifetime is not None
    assert (stored.ret, stored.verp) == ("FULL", "-=")
    assert stored.terms[0].notify == "NEVER"


def test_a_large_message_comes_from_disk_unchanged(room: Room) -> None:
    content = b"Subject: s\r\n\r\n" + os.urandom(700_000).hex().encode()

    handed_over(room.desk(1000), content)

    assert room.injector.stored[0][1] == content


def test_what_cannot_be_stored_is_not_answered_with_yes(room: Room) -> None:
    room.injector.error = StoreFull("no room")

    with pytest.raises(StoreFull):
        handed_over(room.desk(1000), b"\r\n")


def test_a_client_over_tcp_has_the_uid_of_its_socket(
    room: Room, connection: Client
) -> None:
    desk = room.desk(0)
    may = [desk.may_introduce]

    desk.introduce(connection)

    assert [*may, desk.may_introduce] == [True, False]
    desk.refused("no", Reply(550, "5.7.1", "no"))
    (told,) = room.journal.events
    assert isinstance(told, SubmissionRefused)
    assert told.submitter_uid == os.geteuid()
    assert told.submitter_client == "127.0.0.1"


def test_our_own_mail_that_comes_back_waits(
    room: Room, connection: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that is this host's own gateway would have it go round for ever."""
    desk = room.desk(0)
    desk.introduce(connection)
    desk._submitter = Submitter(name="smtp", uid=4242, surmised=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)  # as the service's user

    with pytest.raises(NotNow, match="comes back") as refused:
        asyncio.run(desk.offer(Offer(reverse_path="a@b")))

    assert refused.value.reply.status == "4.4.6"


def test_one_who_is_refused_again_and_again_does_not_fill_the_log(room: Room) -> None:
    desk = room.desk(1000)

    for _ in range(1000):
        desk.refused("no", Reply(550, "5.7.1", "no"))

    assert len(room.journal.events) == 20
