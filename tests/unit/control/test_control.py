# SPDX-License-Identifier: Apache-2.0
"""The control socket, from the other end."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from maildropd.edge import control
from maildropd.edge.control import Control
from maildropd.host import sockets
from maildropd.host.descriptors import Spare
from maildropd.host.peer import Peer
from maildropd.queue.operator import Operator
from tests.unit.control.queues import Queue


@dataclass
class FakeService:
    """What only the daemon itself can answer."""

    errors: list[str] = field(default_factory=list)

    def reload(self) -> list[str]:
        return self.errors

    def status(self) -> dict[str, object]:
        return {"version": "0.1.0"}


class Client:
    """Talks to a socket, in a thread that is not the daemon's."""

    def __init__(self, path: Path) -> None:
        self._connection = sockets.connect(path, 10)
        self._answers = self._connection.makefile("rb")

    def say(self, octets: bytes) -> None:
        self._connection.sendall(octets)

    def hear(self) -> dict[str, Any] | None:
        line = self._answers.readline()
        return json.loads(line) if line else None

    def ask(self, **request: Any) -> dict[str, Any] | None:
        self.say(json.dumps(request).encode("ascii") + b"\n")
        return self.hear()

    def hang_up(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._answers.close()
        self._connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control"


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def serve(queue: Queue, path: Path, service: FakeService) -> Callable[..., None]:
    """Run something in a thread while the control socket is served."""
    operator = Operator(queue.store, queue.journal, queue.clock)

    async def served(work: Callable[[], None]) -> None:
        door = Control(path, operator, service, Spare())
        await door.start()
        try:
            async with asyncio.timeout(30):
                await asyncio.to_thread(work)
        finally:
            await door.close()

    return lambda work: asyncio.run(served(work))


Serve = Callable[[Callable[[], None]], None]


def test_requests_are_answered_one_by_one(
    serve: Serve, path: Path, queue: Queue
) -> None:
    name = queue.add()

    def work() -> None:
        with closing(Client(path)) as client:
            assert client.ask(command="status") == {"ok": True, "version": "0.1.0"}
            assert client.ask(command="hold", id=name) == {"ok": True}
            shown = client.ask(command="show", id=name)
            assert shown
            assert shown["message"]["recipients"][0]["state"] == "hold"

    serve(work)


def test_what_was_asked_is_logged_with_who_asked(
    serve: Serve, path: Path, queue: Queue
) -> None:
    name = queue.add()

    def work() -> None:
        with closing(Client(path)) as client:
            client.ask(command="remove", id=name)

    serve(work)

    assert queue.journal.events[-1].text().endswith(f"by uid={os.getuid()}")


def test_what_cannot_be_done_is_told_and_the_talk_goes_on(
    serve: Serve, path: Path
) -> None:
    def work() -> None:
        with closing(Client(path)) as client:
            assert client.ask(command="show", id="0123456789AB") == {
                "ok": False,
                "error": "0123456789AB: is not in the queue",
            }
            assert client.ask(command="dance") == {
                "ok": False,
                "error": "unknown request",
            }
            assert client.ask(command="counts")

    serve(work)


@pytest.mark.parametrize("after", ["\ud800", "../x", "\N{LATIN SMALL LETTER SHARP S}"])
def test_a_page_begins_behind_a_queue_id_or_the_request_is_refused(
    serve: Serve, path: Path, after: str
) -> None:
    """Half a character hung up on whoever sent it, and filled the log."""

    def work() -> None:
        with closing(Client(path)) as client:
            answer = client.ask(command="list", after=after)
            assert answer
            assert answer["error"].endswith("is not a queue id")
            assert client.ask(command="counts")

    serve(work)


def test_a_reload_that_is_refused_brings_every_mistake(
    serve: Serve, path: Path, service: FakeService
) -> None:
    def work() -> None:
        with closing(Client(path)) as client:
            assert client.ask(command="reload") == {"ok": True}
            service.errors = ["x:1: no", "x:2: no"]
            assert client.ask(command="reload") == {
                "ok": False,
                "error": "the configuration is refused",
                "errors": ["x:1: no", "x:2: no"],
            }

    serve(work)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"GET / HTTP/1.0\r\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b"[" * 50_000 + b"\n",
        b"x" * 100_000 + b"\n",
        b"1" * 50_000 + b"\n",
        b'{"command": "status"',
    ],
)
def test_garbage_is_answered_and_hung_up_on(
    garbage: bytes, serve: Serve, path: Path
) -> None:
    def work() -> None:
        with closing(Client(path)) as client:
            client.say(garbage)
            client.hang_up()
            heard = client.hear()
            assert heard
            assert heard["error"] == "not a request: one JSON object a line"
            assert client.hear() is None
        with closing(Client(path)) as client:
            assert client.ask(command="status")

    serve(work)


def test_more_than_sixteen_at_once_are_told_to_wait(serve: Serve, path: Path) -> None:
    def work() -> None:
        with ExitStack() as all_of_them:
            for _ in range(16):
                client = all_of_them.enter_context(closing(Client(path)))
                assert client.ask(command="status")
            late = all_of_them.enter_context(closing(Client(path)))
            heard = late.hear()
            assert heard
            assert "too many connections" in heard["error"]

    serve(work)


def test_whoever_says_nothing_is_hung_up_on(
    serve: Serve, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_IDLE", 0.05)

    def work() -> None:
        with closing(Client(path)) as client:
            assert client.hear() is None

    serve(work)


def test_whoever_leaves_in_the_middle_does_no_harm(serve: Serve, path: Path) -> None:
    def work() -> None:
        for _ in range(5):
            client = Client(path)
            client.say(b'{"command": "status"}\n')
            client.close()
        with closing(Client(path)) as client:
            assert client.ask(command="status")

    serve(work)


def test_a_stranger_is_not_heard(
    serve: Serve, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Peer(pid=1, uid=os.geteuid() + 1, gid=1)
    monkeypatch.setattr(Peer, "of", lambda _: stranger)

    def work() -> None:
        with closing(Client(path)) as client:
            heard = client.hear()
            assert heard == {
                "ok": False,
                "error": "this is for root and the daemon's own user",
            }
            assert client.hear() is None

    serve(work)


def test_the_socket_is_closed_to_others_and_goes_with_the_daemon(
    serve: Serve, path: Path
) -> None:
    def work() -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    serve(work)

    assert not path.exists()


def test_a_socket_of_a_former_run_is_replaced(serve: Serve, path: Path) -> None:
    path.parent.mkdir()
    sockets.listen(path).close()

    def work() -> None:
        with closing(Client(path)) as client:
            assert client.ask(command="status")

    serve(work)


def test_a_stop_does_not_wait_for_those_who_are_connected(
    queue: Queue, path: Path, service: FakeService
) -> None:
    operator = Operator(queue.store, queue.journal, queue.clock)

    async def run(ask: Callable[[Client], Awaitable[object]]) -> None:
        door = Control(path, operator, service, Spare())
        await door.start()
        with closing(await asyncio.to_thread(Client, path)) as client:
            await ask(client)
            async with asyncio.timeout(10):
                await door.close()
                await door.close()

    asyncio.run(run(lambda client: asyncio.to_thread(client.ask, command="status")))
