# SPDX-License-Identifier: Apache-2.0
"""Whoever comes to the gateway when it is full, and who has to go for him."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maildropd.edge.parcel import Allowance
from maildropd.edge.smtp import reception, upstream
from maildropd.edge.smtp.gateway import Office
from maildropd.edge.smtp.reception import Reception
from maildropd.edge.smtp.session import Session
from maildropd.edge.smtp.wire import Wire
from maildropd.mail.errors import PermanentError
from tests.fakes.journal import FakeJournal
from tests.fakes.mail_desk import MailDesk

Visitor = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HELLO = b"EHLO x\r\n"


class Daemon:
    """A daemon's socket, behind which everything is taken."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "submission"
        self.desk = MailDesk(folder=folder, may_introduce=True)

    async def serve(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        tasks = set()

        def accept() -> Wire:
            wire = Wire(20)
            task = loop.create_task(Session(wire, self.desk, "host.test").run())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return wire

        return await loop.create_unix_server(accept, self.path)


@asynccontextmanager
async def gateway(daemon: Daemon) -> AsyncIterator[Callable[[], Awaitable[Visitor]]]:
    """Lend a way to visit the gateway."""
    server = await daemon.serve()
    allowance = Allowance(1000, daemon.path.parent)
    office = Office(socket=daemon.path, allowance=allowance, journal=FakeJournal())
    found = Reception(office, "host.test")
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    tcp = await loop.create_server(found.accept, sock=listener)
    writers = []

    async def visit() -> Visitor:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writers.append(writer)
        assert (await reader.readline()).startswith(b"220 ")
        return reader, writer

    try:
        async with asyncio.timeout(20):
            yield visit
    finally:
        for writer in writers:
            writer.close()
        tcp.close()
        await found.close()
        server.close()


async def begun(visitor: Visitor) -> Visitor:
    """Say so much that the daemon has to let this client in."""
    reader, writer = visitor
    writer.write(HELLO + b"MAIL FROM:<a@b>\r\n")
    while not (await reader.readline()).startswith(b"250 2.1.0"):
        pass
    return visitor


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "_MOST", 2)


def test_the_one_who_was_silent_for_longest_goes_and_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with gateway(Daemon(tmp_path)) as visit:
            first, second = await visit(), await visit()
            first[1].write(b"NOOP\r\n")
            assert (await first[0].readline()).startswith(b"250 ")

            third = await visit()

            assert (await second[0].read()).startswith(b"421 4.3.2 too many")
            third[1].write(b"NOOP\r\n")
            assert (await third[0].readline()).startswith(b"250 ")

    asyncio.run(run())


def test_whom_the_daemon_has_let_in_stays_before_all_others(tmp_path: Path) -> None:
    """A thousand who say nothing would else push out each who says something."""

    async def run() -> None:
        async with gateway(Daemon(tmp_path)) as visit:
            first = await begun(await visit())
            for _ in range(5):
                await visit()

            first[1].write(b"RCPT TO:<c@d>\r\n")
            assert (await first[0].readline()).startswith(b"250 2.1.5")

    asyncio.run(run())


def test_whose_message_is_being_stored_stays_until_he_knows(tmp_path: Path) -> None:
    """Who hears nothing sends it again, and it goes out twice."""
    daemon = Daemon(tmp_path)

    async def run() -> None:
        daemon.desk.while_taking = asyncio.Event()
        async with gateway(daemon) as visit:
            first = await begun(await visit())
            first[1].write(b"RCPT TO:<c@d>\r\nDATA\r\n.\r\n")
            await daemon.desk.is_taking.wait()
            await begun(await visit())
            await begun(await visit())

            daemon.desk.while_taking.set()
            while not (line := await first[0].readline()).startswith(b"250 2.0.0"):
                assert line

    asyncio.run(run())
    assert len(daemon.desk.taken) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(b"Subject: s\r\n\r\nhi", b"Subject: s\n\n.\n", b"\r\n.\r", b"."),
        *(b"x" * 600_000, b"", b"\r\n", b".\r\n"),
    ],
)
def test_a_content_of_so_many_octets_goes_through_just_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """One that did not end in CR LF was answered with 451, after two minutes."""
    monkeypatch.setattr(upstream, "_PATIENCE", 30)
    daemon = Daemon(tmp_path)

    async def run() -> bytes:
        async with gateway(daemon) as visit:
            reader, writer = await begun(await visit())
            command = b"RCPT TO:<c@d>\r\nXDATA %d\r\n" % len(content)
            writer.write(command + content)
            await reader.readline()
            return await reader.readline()

    assert asyncio.run(run()).startswith(b"250 2.0.0")
    assert [taken.content for taken in daemon.desk.taken] == [content]


def test_who_is_left_when_others_are_refused_gets_the_mail(tmp_path: Path) -> None:
    """DATA is for them, XDATA for all or none."""
    daemon = Daemon(tmp_path)
    daemon.desk.refuses["no@d"] = PermanentError("not there")

    async def run() -> list[bytes]:
        async with gateway(daemon) as visit:
            reader, writer = await begun(await visit())
            writer.write(b"RCPT TO:<no@d>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n")
            return [(await reader.readline())[:3] for _ in range(4)]

    assert asyncio.run(run()) == [b"554", b"250", b"354", b"250"]
    (taken,) = daemon.desk.taken
    assert [each.forward_path for each in taken.named] == ["c@d"]
