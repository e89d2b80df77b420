# SPDX-License-Identifier: Apache-2.0
"""What import-queue says to the submission socket, and makes of the answers."""

import hashlib
import socket
import threading
from pathlib import Path

import pytest

from maildropd.cli.desk import Failed
from maildropd.cli.import_door import SocketDoor
from maildropd.client.errors import NotAccepted
from maildropd.foreign.queued import Queued

KEY = "0123456789abcdef" * 2
MAIL = Queued(
    path=Path("/old/1"),
    state="ready",
    reverse_path="a@example.org",
    recipients=("b@example.net", "c@example.net"),
    content=b"Subject: s\n\n.dot\n",
)
SENT = b"Subject: s\r\n\r\n.dot\r\n"


class Daemon(threading.Thread):
    """Says its lines, one for each command, and keeps what it heard."""

    def __init__(self, path: Path, answers: list[str]) -> None:
        super().__init__(daemon=True)
        self.heard: list[bytes] = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def run(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as stream:
            for answer in ["220 h ESMTP", "250 h", *self._answers]:
                stream.write(answer.encode() + b"\r\n")
                stream.flush()
                line = stream.readline()
                while answer.startswith("354") and not line.endswith(b"\r\n.\r\n"):
                    line += stream.readline()
                self.heard.append(line)
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "submission"


def taken(path: Path, answers: list[str], *, hold: bool = False) -> tuple[str, Daemon]:
    daemon = Daemon(path, answers)
    daemon.start()
    with SocketDoor(path) as door:
        found = door.take(MAIL, KEY, hold=hold)
    daemon.join(10)
    return found, daemon


OK = [
    "250 2.1.0 ok",
    "250 2.1.5 ok",
    "250 2.1.5 ok",
    "354 go",
    "250 2.0.0 ok, queued as X",
]


@pytest.mark.parametrize("hold", [True, False])
def test_a_mail_is_said_with_its_key_and_its_hash(path: Path, *, hold: bool) -> None:
    found, daemon = taken(path, OK, hold=hold)

    mail = daemon.heard[1].decode()
    digest = hashlib.sha256(SENT).hexdigest()
    assert found == "X"
    assert f"XKEY={KEY}" in mail
    assert f"XSHA256={digest}" in mail
    assert ("XHOLD" in mail) is hold
    assert daemon.heard[2:4] == [
        b"RCPT TO:<b@example.net>\r\n",
        b"RCPT TO:<c@example.net>\r\n",
    ]
    assert daemon.heard[5] == b"Subject: s\r\n\r\n..dot\r\n.\r\n"


def test_one_refused_recipient_is_a_mail_that_is_refused(path: Path) -> None:
    """Half of a mail is none: it is set aside whole, for somebody to look at."""
    answers = [*OK[:2], "550 5.1.1 no such user", "354 go"]

    with pytest.raises(NotAccepted, match=r"c@example\.net: 550 5\.1\.1 no such user"):
        taken(path, answers)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["452 4.3.1 disk full", "503 x", "503 x", "503 x"], "takes no mail now: 452"),
        ([*OK[:4], "452 4.3.1 disk full"], "takes no mail now: 452"),
        (["421 4.3.2 stopping"], "takes no mail now"),
        (["555 5.5.4 XHOLD is not known", "503 x", "503 x", "503 x"], "is older than"),
        ([], "takes no mail now: the daemon has hung up"),
    ],
)
def test_what_is_no_fault_of_the_mail_stops_the_import(
    path: Path, answers: list[str], words: str
) -> None:
    with pytest.raises(Failed, match=words):
        taken(path, answers)


def test_nobody_there_is_said_before_anything_is_touched(path: Path) -> None:
    with pytest.raises(Failed, match="is not running: start it first"):
        SocketDoor(path)
