# SPDX-License-Identifier: Apache-2.0
"""How things stand, or why that is not said."""

import asyncio
import json
import socket
import threading
from pathlib import Path

import pytest

from maildropd import api
from maildropd.client.asking import control
from maildropd.config.layout import Layout

STATUS = {
    "ok": True,
    "version": "1.0",
    "pid": 7,
    "counts": {"ready": 2, "deferred": 3, "hold": 1, "failed": 0},
    "oldest": None,
    "in_flight": 1,
    "relays": [],
    "spools": [],
}


def answer(folder: Path, octets: bytes) -> threading.Thread:
    """Answer one question at a control socket."""
    (folder / "run").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "run" / "control"))
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            assert json.loads(connection.recv(65_536)) == {"command": "status"}
            connection.sendall(octets)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_the_daemons_answer_is_understood(tmp_path: Path, door: api.Door) -> None:
    thread = answer(tmp_path, json.dumps(STATUS).encode() + b"\n")

    found = api.queue_status(door)

    assert (found.version, found.waiting, found.in_flight) == ("1.0", 5, 1)
    assert found.counts["hold"] == 1
    assert found.oldest is None
    thread.join(20)


def test_asyncio_has_the_same(tmp_path: Path, door: api.Door) -> None:
    answer(tmp_path, json.dumps(STATUS).encode() + b"\n")

    assert asyncio.run(api.queue_status_async(door)).waiting == 5


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b'{"ok": false, "error": "this is for root"}\n', "this is for root"),
        (b'{"ok": tr', "has hung up"),
        (b"", "has hung up"),
        (b"{}\n", "has hung up"),
    ],
)
def test_who_is_not_answered_hears_why(
    tmp_path: Path, door: api.Door, octets: bytes, said: str
) -> None:
    answer(tmp_path, octets)

    with pytest.raises(api.Unavailable, match=said):
        api.queue_status(door)


@pytest.mark.parametrize("instance", ["", "shop"])
def test_the_socket_is_where_the_daemon_of_a_host_has_it(instance: str) -> None:
    layout = Layout.of_host(instance)
    door = api.Door(run=layout.sockets, drop=layout.drop)

    assert control(door) == str(layout.runtime / "control")


def test_where_no_daemon_runs_that_is_said(door: api.Door) -> None:
    with pytest.raises(api.Unavailable, match="is maildropd running"):
        api.queue_status(door)
