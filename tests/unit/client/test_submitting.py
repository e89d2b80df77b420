# SPDX-License-Identifier: Apache-2.0
"""One mail comes of one submission, whatever becomes of the socket meanwhile."""

import asyncio
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd import api
from maildropd.client import blocking
from maildropd.client.connections import Line
from maildropd.client.dialogue import Reply
from maildropd.edge.spool.frames import Letter, Reader
from tests.fakes.submission_server import SubmissionServer, digest
from tests.unit.client.conftest import Submit

MAIL = b"From: a@x.example\r\nTo: b@x.example\r\n\r\nhello\r\n.\r\n..\r\n"
NO = b"550 5.1.1 nobody of that name"


class Box:
    """Holds what a frame carries."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, octets: bytes) -> None:
        self.content += octets


def left(drop: Path) -> dict[str, bytes]:
    """Return what lies in a drop, by key."""
    found = {}
    for path in drop.iterdir():
        box = Box()
        letter = Letter(box)  # type: ignore[arg-type]  # all that it does is write
        reader = Reader([path.read_bytes()])
        while reader.next(letter.begin, letter.write):
            found[letter.key], box.content = box.content, b""
    return found


def test_a_mail_goes_over_the_socket(
    submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    found = submit(MAIL, key="k")

    assert (found.where, found.queue_id) == ("socket", "4XK2")
    assert found.recipients == ("b@x.example",)
    assert server.stored == {found.key.encode(): MAIL}
    assert os.listdir(drop) == []


def test_everything_is_said_in_two_writes_on_a_connection_that_is_kept(
    door: api.Door, server: SubmissionServer
) -> None:
    for number in range(3):
        api.submit(MAIL, key=str(number), door=door)

    (session,) = server.sessions
    assert len(session.contents) == 3
    data = b"XDATA %d" % len(MAIL) if server.xdata else b"DATA"
    assert [each.partition(b" ")[0] for each in session.commands] == [
        b"EHLO",
        *[b"MAIL", b"RCPT", data.partition(b" ")[0]] * 3,
    ]
    assert session.commands[-1] == data


def test_all_that_was_wished_is_said(submit: Submit, server: SubmissionServer) -> None:
    one = api.prepare(
        "From: a@x.example\n\nd\u00e9j\u00e0\n",
        recipients="\u00e9@x.example, b@x.example",
        verp=True,
        notify="never",
        ret="full",
        envid="e",
    )

    submit(one, verify=True)

    _, mail, first, _, _ = server.sessions[0].commands
    assert mail.split() == [
        *(b"MAIL", b"FROM:<a@x.example>", b"SIZE=%d" % one.size),
        *(b"XKEY=" + one.key.encode(), b"BODY=8BITMIME", b"SMTPUTF8"),
        *(b"RET=FULL", b"ENVID=e", b"XVERP=+=", b"XSHA256=" + digest(one.content)),
    ]
    assert first == "RCPT TO:<\u00e9@x.example> NOTIFY=NEVER".encode()


def test_a_submission_says_everything_itself(submit: Submit) -> None:
    one = api.prepare(MAIL)

    with pytest.raises(TypeError, match="says everything itself"):
        submit(one, "a@x.example")
    with pytest.raises(TypeError, match="says everything itself"):
        submit(one, key="k")


@pytest.mark.parametrize("command", [b"MAIL", b"RCPT", b"DATA", b"."])
def test_a_refusal_for_good_is_told_and_nothing_is_sent(
    submit: Submit, server: SubmissionServer, drop: Path, command: bytes
) -> None:
    server.replies[command] = NO

    with pytest.raises(api.NotAccepted) as caught:
        submit(MAIL)

    error = caught.value
    assert (error.code, error.status, error.text) == (
        550,
        "5.1.1",
        "nobody of that name",
    )
    assert error.recipient == ("b@x.example" if command == b"RCPT" else None)
    assert server.stored == {}
    assert os.listdir(drop) == []


def test_if_one_recipient_is_refused_nobody_gets_the_mail(
    submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    """DATA is answered already; the client hangs up rather than send a part."""
    server.replies[b"RCPT TO:<c@x.example>"] = NO
    server.replies[b"RCPT TO:<e@x.example>"] = NO

    with pytest.raises(api.NotAccepted, match=r"c@x.example, e@x.example: 550 5.1.1"):
        submit(MAIL, recipients="b@x.example, c@x.example, d@x.example, e@x.example")

    assert server.stored == {}
    assert os.listdir(drop) == []
    del server.replies[b"RCPT TO:<c@x.example>"]
    assert submit(MAIL).where == "socket"


@pytest.mark.parametrize("command", [b"", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"."])
@pytest.mark.parametrize("reply", [b"421 4.3.2 stopping", b"452 4.3.1 full"])
def test_what_cannot_be_taken_now_goes_into_the_drop(
    submit: Submit, server: SubmissionServer, drop: Path, command: bytes, reply: bytes
) -> None:
    server.replies[command] = reply

    found = submit(MAIL)

    assert (found.where, found.queue_id) == ("drop", None)
    assert server.stored == {}
    assert left(drop) == {found.key: MAIL}
    assert os.listdir(drop) == [found.key]
    assert (drop / found.key).stat().st_mode & 0o777 == 0o640


def test_too_many_recipients_would_be_too_many_in_the_drop(
    submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    server.replies[b"RCPT"] = b"452 4.5.3 more than 1000 recipients"

    with pytest.raises(api.NotAccepted, match="more than 1000"):
        submit(MAIL)

    assert os.listdir(drop) == []


def sent(mail: bytes = MAIL) -> int:
    """Return how many octets a client says, all in all."""
    one = api.prepare(mail, key="k")
    words = f"MAIL FROM:<a@x.example> SIZE={one.size} XKEY={one.key}\r\n"
    rest = "EHLO localhost\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
    return len(words) + len(rest) + len(mail) + 3 + mail.count(b"\r\n.")


@pytest.mark.parametrize("octets", [*range(0, sent() - 9, 7), sent() - 9])
def test_a_socket_that_vanishes_leaves_the_mail_in_the_drop(
    submit: Submit, server: SubmissionServer, drop: Path, octets: int
) -> None:
    """It was tried twice; nobody has it, so the drop has it."""
    server.octets = octets

    found = submit(MAIL, key="k")

    assert found.where == "drop"
    assert len(server.sessions) == 2
    assert server.stored == {}
    assert left(drop) == {found.key: MAIL}


@pytest.mark.parametrize("said", range(5))
def test_an_answer_that_vanishes_leaves_the_mail_under_the_same_key(
    submit: Submit, server: SubmissionServer, drop: Path, said: int
) -> None:
    """The last one may have been stored: the key makes one mail of all tries."""
    server.said = said

    found = submit(MAIL, key="k")

    assert found.where == "drop"
    assert left(drop) == {found.key: MAIL}
    assert set(server.stored) <= {found.key.encode()}


def test_a_daemon_that_was_restarted_is_asked_on_a_new_connection(
    submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    submit(MAIL)
    server.hang_up()

    assert submit(MAIL).where == "socket"
    assert len(server.sessions) == 2
    assert os.listdir(drop) == []


def test_what_is_said_unasked_on_a_kept_connection_is_its_end(
    door: api.Door, server: SubmissionServer
) -> None:
    api.submit(MAIL, door=door)
    server._connections[0].sendall(b"421 4.4.2 silent for too long\r\n")

    assert api.submit(MAIL, door=door).where == "socket"
    assert len(server.sessions) == 2


@pytest.mark.parametrize("garbage", [b"hello", b"25", b"2x0 ok", b"\xff\xfe", b""])
def test_what_speaks_no_smtp_gets_no_mail(
    submit: Submit, server: SubmissionServer, drop: Path, garbage: bytes
) -> None:
    server.replies[b"MAIL"] = garbage

    assert submit(MAIL).where == "drop"
    assert len(os.listdir(drop)) == 1


@pytest.fixture
def patience(server: SubmissionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time run for a client once the server is silent, and not while it is slow."""
    silence, begun, reply = server.fell_silent, time.monotonic(), blocking._reply

    def later(line: Line) -> Reply:
        if (found := line.replies.next()) is not None:
            return found
        until = time.monotonic() + 30
        while not (silence.is_set() or select.select([line.socket], [], [], 0.02)[0]):
            assert time.monotonic() < until
        return reply(line)

    def now(_: asyncio.BaseEventLoop) -> float:
        return time.monotonic() if silence.is_set() else begun

    monkeypatch.setattr(blocking, "_reply", later)
    monkeypatch.setattr(asyncio.BaseEventLoop, "time", now)


@pytest.mark.usefixtures("patience")
def test_a_daemon_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    server.silent = True
    door = api.Door(run=tmp_path / "run", drop=drop, timeout=0.5)

    found = submit(MAIL, door=door)

    assert found.where == "drop"
    assert len(server.sessions) == 1
    assert set(server.stored) == {found.key.encode()}


@pytest.mark.parametrize("kind", ["nothing", "a file", "a closed socket"])
def test_where_nobody_listens_the_drop_takes_it(
    tmp_path: Path, submit: Submit, drop: Path, kind: str
) -> None:
    path = tmp_path / "run" / "submission"
    path.parent.mkdir()
    if kind == "a file":
        path.touch()
    elif kind == "a closed socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))

    found = submit(MAIL)

    assert found.where == "drop"
    assert left(drop) == {found.key: MAIL}


def test_if_neither_takes_it_both_reasons_are_said(
    tmp_path: Path, submit: Submit, drop: Path
) -> None:
    drop.rmdir()

    with pytest.raises(api.Unavailable) as caught:
        submit(MAIL)

    said = str(caught.value)
    assert f"{tmp_path}/run/submission: No such file or directory" in said
    assert f"{drop}: No such file or directory" in said
    assert "nothing is sent" in said
    assert "try again later" in said


CALLS: tuple[str, ...] = ("open", "fchmod", "write", "fsync", "rename", "fsync")


@pytest.mark.parametrize("step", range(6))
def test_a_drop_that_fails_at_any_step_keeps_nothing(
    submit: Submit, drop: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, or broken: who hears no may say it again, and it is one mail."""
    name, number = CALLS[step], CALLS[:step].count(CALLS[step])
    real: Callable[..., object] = getattr(os, name)
    count = 0

    def failing(*values: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == number + 1:
            raise OSError(28, "No space left on device")
        return real(*values, **more)

    monkeypatch.setattr(os, name, failing)
    with pytest.raises(api.Unavailable, match="No space left on device"):
        submit(MAIL)

    assert os.listdir(drop) == []
    assert submit(MAIL).where == "drop"


def test_25_megabytes_go_either_way(
    submit: Submit, server: SubmissionServer, drop: Path
) -> None:
    large = MAIL + b".x" * 39 + b"\r\n" + (b"x" * 78 + b"\r\n") * 320_000

    assert submit(large).where == "socket"
    server.replies[b"MAIL"] = b"452 4.3.1 full"
    found = submit(large)

    assert [*server.stored.values()] == [large]
    assert left(drop) == {found.key: large}


def test_a_refusal_in_the_middle_of_a_large_mail_is_heard(
    submit: Submit, server: SubmissionServer
) -> None:
    """What is large is not sent before it is asked for, whatever the server takes."""
    server.replies[b"DATA"] = b"354 go on\r\n552 5.3.4 larger than 1 octets"
    server.octets = 100_000

    with pytest.raises(api.NotAccepted, match=r"552 5.3.4 larger than 1 octets"):
        submit(MAIL + b"x" * 5_000_000)
