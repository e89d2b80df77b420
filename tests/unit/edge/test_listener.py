# SPDX-License-Identifier: Apache-2.0
"""Who is let in, and what becomes of those who are not."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from maildropd.edge.doors import Doors, Place
from maildropd.edge.listener import Crowd, Door
from maildropd.host.peer import Peer
from maildropd.mail.service_events import DoorClosed, InternalError
from tests.fakes.journal import FakeJournal

Serve = Callable[[socket.socket, Peer], Coroutine[Any, Any, None]]


async def hello(connection: socket.socket, peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_sendall(connection, f"uid {peer.uid}\n".encode())
        await loop.sock_recv(connection, 1)


class House:
    """One door at a path, and its crowd."""

    def __init__(self, path: Path, serve: Serve = hello, most: int = 100) -> None:
        self.journal = FakeJournal()
        self.path = path
        self.limit = 100
        self.crowd = Crowd(most, lambda _: self.limit)
        door = Door(name="x", serve=serve, refuse=lambda why: f"no: {why}\n".encode())
        places = [Place(door=door, path=path)]
        self.doors = Doors(places, {}, self.crowd, self.journal)

    def visit(self, visits: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            await self.doors.start()
            try:
                async with asyncio.timeout(20):
                    await visits()
            finally:
                await self.doors.close()

        asyncio.run(run())


async def visitor(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(path)


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def test_who_comes_is_known_by_the_kernel(tmp_path: Path) -> None:
    house = House(tmp_path / "s")

    async def visits() -> None:
        reader, writer = await visitor(house.path)
        assert await reader.readline() == f"uid {os.geteuid()}\n".encode()
        await leave(writer)

    house.visit(visits)


def test_everybody_may_connect(tmp_path: Path) -> None:
    house = House(tmp_path / "s")

    async def visits() -> None:
        assert house.path.stat().st_mode & 0o777 == 0o666

    house.visit(visits)
    assert not house.path.exists()


def test_one_who_is_too_many_hears_why(tmp_path: Path) -> None:
    house = House(tmp_path / "s", most=3)
    house.crowd.most = 3 - 8  # root has eight more

    async def visits() -> None:
        inside = [await visitor(house.path) for _ in range(3)]
        for reader, _ in inside:
            await reader.readline()
        reader, writer = await visitor(house.path)
        assert (await reader.readline()).startswith(b"no: too many connections")
        await leave(writer)
        for _, inner in inside:
            await leave(inner)

    house.visit(visits)


def test_a_user_has_so_many_and_others_still_come_in() -> None:
    crowd = Crowd(100, lambda _: 2)
    alice = Peer(pid=1, uid=1000, gid=1000)
    bob = Peer(pid=2, uid=1001, gid=1001)

    for _ in range(2):
        assert crowd.why_not(alice) == ""
        crowd.enter(alice)

    assert "of yours" in crowd.why_not(alice)
    assert crowd.why_not(bob) == ""
    crowd.leave(alice)
    assert crowd.why_not(alice) == ""


def test_the_last_places_are_roots() -> None:
    crowd = Crowd(2, lambda _: 2)
    root, bob = Peer(pid=1, uid=0, gid=0), Peer(pid=2, uid=1001, gid=1001)
    crowd.enter(bob)
    crowd.enter(bob)

    assert "too many" in crowd.why_not(bob)
    for _ in range(8):
        assert crowd.why_not(root) == ""
        crowd.enter(root)
    assert "too many" in crowd.why_not(root)


def test_a_session_that_breaks_ends_alone(tmp_path: Path) -> None:
    """The bug is told with its traceback; the next one is served."""
    broken = True

    async def serve(connection: socket.socket, peer: Peer) -> None:
        with connection:
            if broken:
                raise ZeroDivisionError
        await asyncio.sleep(0)

    house = House(tmp_path / "s", serve)

    async def visits() -> None:
        for _ in range(3):
            reader, writer = await visitor(house.path)
            assert await reader.read() == b""
            await leave(writer)

    house.visit(visits)
    bugs = [each for each in house.journal.events if isinstance(each, InternalError)]
    assert len(bugs) == 3
    assert "ZeroDivisionError" in bugs[0].traceback
    assert house.crowd.why_not(Peer(pid=1, uid=5, gid=5)) == ""


def test_a_door_that_cannot_be_opened_is_told_and_closes_no_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    house = House(tmp_path / "file" / "s")

    async def visits() -> None:
        return

    house.visit(visits)

    (told,) = house.journal.events
    assert isinstance(told, DoorClosed)
    assert told.door == "x"


@pytest.mark.parametrize("number", [1, 2])
def test_a_socket_that_systemd_holds_is_used(tmp_path: Path, number: int) -> None:
    house = House(tmp_path / "unused")
    sockets = []
    for n in range(number):
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(tmp_path / f"held{n}"))
        one.listen()
        sockets.append(one)
    house.doors._inherited = {"x": sockets}

    async def visits() -> None:
        for n in range(number):
            reader, writer = await visitor(tmp_path / f"held{n}")
            assert (await reader.readline()).startswith(b"uid ")
            await leave(writer)

    house.visit(visits)
    assert not house.path.exists()
