# SPDX-License-Identifier: Apache-2.0
"""When nobody answers, and why."""

import os
import socket
from pathlib import Path

import pytest

from maildropd.cli.desk import DaemonDesk, Failed
from maildropd.host import sockets
from tests.unit.cli.talk import Ctl


def test_a_daemon_that_hangs_up_is_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.shutdown(socket.SHUT_WR)

        with pytest.raises(Failed, match="maildropd has hung up"):
            DaemonDesk(ours).ask({"command": "status"})


def test_a_daemon_that_dies_half_way_through_its_answer_is_told() -> None:
    """The answer ended in the middle of a word, and so did maildropctl."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b'{"ok": true, "mess')
        theirs.shutdown(socket.SHUT_WR)

        with pytest.raises(Failed, match="maildropd has hung up"):
            DaemonDesk(ours).ask({"command": "list"})


def test_a_daemon_that_died_is_told() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()

        with pytest.raises(Failed, match="maildropd has hung up"):
            DaemonDesk(ours).ask({"command": "status"})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "only root and the daemon's user"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_a_socket_that_cannot_be_used_is_told(
    error: OSError, words: str, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is left alone then: a daemon may well be running."""

    def connect(path: Path, seconds: float) -> socket.socket:
        raise error

    monkeypatch.setattr(sockets, "connect", connect)

    said = ctl("queue")

    assert said.code == 1
    assert f"{os.sep}run{os.sep}control: " in said.err
    assert words in said.err
