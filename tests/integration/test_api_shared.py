# SPDX-License-Identifier: Apache-2.0
"""Threads, tasks, forked children, and a socket that vanishes: one mail each."""

import asyncio
import multiprocessing
import os
import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from maildropd import api
from tests.integration.daemon import DaemonProcess
from tests.integration.in_store import stored

pytestmark = pytest.mark.integration

MAIL = "From: a@example.org\nTo: b@example.net\n\nhello\n"


# --- threads, tasks and processes ---------------------------------------------


def test_sixteen_threads_submit_at_once(running: DaemonProcess, door: api.Door) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: api.submit(MAIL, door=door), range(400)))

    assert {each.where for each in found} == {"socket"}
    assert len({each.queue_id for each in found}) == 400
    assert len(stored(running)) == 400


def test_tasks_submit_at_once_in_one_loop_after_the_other(
    running: DaemonProcess, door: api.Door
) -> None:
    async def submit() -> None:
        mails = (api.submit_async(MAIL, door=door) for _ in range(50))
        assert {each.where for each in await asyncio.gather(*mails)} == {"socket"}

    for _ in range(3):
        asyncio.run(submit())

    assert len(stored(running)) == 150


def test_a_task_that_is_cancelled_and_tried_again_is_one_mail(
    running: DaemonProcess, door: api.Door
) -> None:
    async def submit(steps: int) -> None:
        one = api.prepare(MAIL)
        task = asyncio.create_task(api.submit_async(one, door=door))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await api.submit_async(one, door=door)

    for steps in range(40):
        asyncio.run(submit(steps))

    assert len(stored(running)) == 40


def test_parent_and_child_submit_after_a_fork(
    running: DaemonProcess, door: api.Door
) -> None:
    """A connection was open: two who speak on it would both be misunderstood."""
    api.submit(MAIL, door=door)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_submits, args=(door,)) for _ in range(4)]

    for child in children:
        child.start()
    _submits(door)
    for child in children:
        child.join(30)

    assert [child.exitcode for child in children] == [0] * 4
    assert len(stored(running)) == 1 + 5 * 50


def _sockets() -> int:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    there = [os.readlink(link) for link in links if os.path.lexists(link)]
    return len([each for each in there if each.startswith("socket:")])


def test_a_child_holds_no_connection_of_its_parents(
    running: DaemonProcess, door: api.Door
) -> None:
    """Held open there, it would never end for the daemon."""
    api.submit(MAIL, door=door)
    before = _sockets()

    child = os.fork()
    if child == 0:
        os._exit(before - _sockets())
    gone = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert gone >= 1
    assert len(running.wait_for("MessageAccepted")) == 1


def _submits(door: api.Door) -> None:
    for _ in range(50):
        assert api.submit(MAIL, door=door).where == "socket"


def test_a_fork_while_others_submit_shares_no_connection(
    running: DaemonProcess, door: api.Door
) -> None:
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(8) as pool:
        busy = [pool.submit(_submits, door) for _ in range(8)]
        running.wait_for("MessageAccepted", 40)
        children = [context.Process(target=_submits, args=(door,)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(30)
        for each in busy:
            each.result()

    assert [child.exitcode for child in children] == [0] * 3
    assert len(stored(running)) == 11 * 50


# --- a socket that vanishes ---------------------------------------------------


class Cutter:
    """Passes on what client and daemon say, and cuts after so many octets."""

    def __init__(self, folder: Path, daemon: Path) -> None:
        folder.mkdir()
        self.up: int | None = None  # from the client
        self.down: int | None = None  # from the daemon
        self._daemon = str(daemon)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "submission"))
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            most = {True: self.up, False: self.down}
            threading.Thread(target=self._join, args=(client, most)).start()

    def _join(self, client: socket.socket, most: dict[bool, int | None]) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._daemon)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    up = source is client
                    octets = source.recv(65_536)[: most[up]]
                    (server if up else client).sendall(octets)
                    left = most[up]
                    most[up] = left and left - len(octets)
                    if not octets or most[up] == 0:
                        return


def test_a_socket_that_vanishes_at_any_point_makes_one_mail(
    running: DaemonProcess, door: api.Door, tmp_path: Path
) -> None:
    """Both tries are cut at the same place; then the drop has it, under its key."""
    cutter = Cutter(tmp_path / "cut", tmp_path / "run" / "submission")
    through = api.Door(run=tmp_path / "cut", drop=door.drop)
    points = [("up", n) for n in range(1, 290, 8)] + [
        ("down", n) for n in range(1, 400, 8)
    ]
    doors = set()
    for way, point in points:
        cutter.up, cutter.down = None, None
        setattr(cutter, way, point)
        doors.add(api.submit(MAIL, key=f"{way} {point}", door=through).where)
    cutter.close()
    running.wait_for("MessageAccepted", len(points))
    running.stop()

    assert os.listdir(running.drop) == []
    assert doors == {"socket", "drop"}
    assert len(stored(running)) == len(points)
    assert running.of("SubmissionRepeated")
