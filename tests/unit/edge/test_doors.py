# SPDX-License-Identifier: Apache-2.0
"""The sockets are there for everybody, where nobody holds them for us."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from maildropd.edge.doors import Doors, Place
from maildropd.edge.listener import Crowd, Door
from maildropd.host.peer import Peer
from tests.fakes.journal import FakeJournal


async def serve(connection: socket.socket, _: Peer) -> None:
    connection.close()


def doors(path: Path) -> Doors:
    door = Door(name="submission", serve=serve, refuse=str.encode)
    crowd = Crowd(1, lambda _: 1)
    return Doors([Place(door=door, path=path)], {}, crowd, FakeJournal())


async def opened(path: Path) -> tuple[int, int]:
    """Return the modes of folder and socket, while the door is open."""
    found = doors(path)
    await found.start()
    found_modes = modes(path)
    await found.close()
    return found_modes


def modes(path: Path) -> tuple[int, int]:
    return path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def _closed_by_default() -> object:
    """As the daemon is, for its store."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_everybody_gets_to_a_socket_in_a_folder_that_we_make(tmp_path: Path) -> None:
    """The umask of the daemon keeps its store from others, and kept the door, too."""
    path = tmp_path / "run" / "submission"

    assert asyncio.run(opened(path)) == (0o755, 0o666)


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(0o750)

    assert asyncio.run(opened(tmp_path / "run" / "submission")) == (0o700, 0o666)
