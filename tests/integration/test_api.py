# SPDX-License-Identifier: Apache-2.0
"""The Python API against the real daemon: one mail comes of it, and the same one."""

import asyncio
import json
import multiprocessing
import os
import re
import select
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from maildropd import api
from maildropd.mail.envelope import QueueId
from maildropd.store.rows import number as row_of
from tests.integration.daemon import HOME, DaemonProcess

pytestmark = pytest.mark.integration

MAIL = "From: a@example.org\nTo: b@example.net\n\nhello\n"
MAILS = [
    MAIL,
    "hello\n",
    "From: a@example.org\n",
    "Subject: only\n\n",
    "\nno header\n",
    "From: a\nTo: root, b\nSubject: bare names\n\nhello\n",
    "From: a@example.org\nBcc: secret@example.net\n\n.\n..\n.x\n\n\n",
    "From a@example.org Sat Nov 28 10:00:00 2026\nSubject: mbox\n\nFrom x\n",
    "Return-Path: <r@example.org>\nSubject: returned\n\nhello\n",
    "Subject: d\u00e9j\u00e0\n\nd\u00e9j\u00e0\n",
    "Subject: odd\rX: bare\n\na\rb\0c\x0b\n",
    "Subject: folded\n\tmore\nnot a field\n\nhello\n",
    "Subject: long\n\n" + "x" * 5000 + "\n",
    "Subject: large\n\n" + ("y" * 77 + "\n") * 5000,
]
NAMES = [
    "b@example.net",
    '"a..b"@example.net',
    "-f@example.net",
    "j\u00f6rg@example.net",
]
# What the daemon adds has a time and chance in it, and names the door.
OURS = re.compile(rb"^(Received|Date|Message-ID): [^\r\n]*", re.MULTILINE)

Mail = tuple[str | None, list[str], bytes]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, port=9).start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def door(daemon: DaemonProcess) -> api.Door:
    return api.Door(run=daemon.folder / "run", drop=daemon.drop)


def only_drop(door: api.Door) -> api.Door:
    """Return the same without a socket."""
    return api.Door(run="/nowhere", drop=door.drop)


def stored(daemon: DaemonProcess) -> list[Mail]:
    """Return what is stored, in the order in which it came."""
    state = daemon.folder / "state"
    with closing(sqlite3.connect(state / "queue.db")) as database:
        ask = database.execute
        messages = ask("SELECT * FROM message ORDER BY queue_id").fetchall()
        return [(row[1], *_of(ask, state, row[0], row[9])) for row in messages]


def _of(
    ask: Callable[..., sqlite3.Cursor], state: Path, queue_id: str, file: str | None
) -> tuple[list[str], bytes]:
    query = "SELECT forward_path FROM recipient WHERE queue_id = ? ORDER BY number"
    recipients = [row[0] for row in ask(query, (queue_id,))]
    if file is not None:
        return recipients, (state / "content" / file).read_bytes()
    query = "SELECT octets FROM content WHERE number = ?"
    (octets,) = ask(query, (row_of(QueueId(queue_id)),)).fetchone()
    return recipients, octets


def plain(mail: Mail) -> Mail:
    return mail[0], mail[1], OURS.sub(rb"\1", mail[2])


@pytest.mark.parametrize("sender", ["a@example.org", "<>", '"a b"@example.org', "root"])
def test_the_socket_and_the_drop_make_the_same_mail(
    daemon: DaemonProcess, door: api.Door, sender: str
) -> None:
    """Whatever is missing is added in both; nothing else is different."""
    for number, text in enumerate(MAILS, 1):
        one = api.prepare(text, sender, NAMES)
        other = api.prepare(text, sender, NAMES)
        assert api.submit(one, door=door).where == "socket"
        assert api.submit(other, door=only_drop(door)).where == "drop"
        daemon.wait_for("MessageAccepted", 2 * number)

    mails = [plain(each) for each in stored(daemon)]
    assert mails[::2] == mails[1::2]
    assert all(names == mails[0][1] for _, names, _ in mails)


def test_all_wishes_are_the_same_by_both_doors(
    daemon: DaemonProcess, door: api.Door
) -> None:
    for way in (door, only_drop(door)):
        api.submit(
            *(MAIL, "list@example.org", "b@example.net"),
            door=way,
            verp="-=",
            notify="success,delay",
            ret="hdrs",
            envid="a b",
        )
    daemon.wait_for("MessageAccepted", 2)

    shown = [
        json.loads(line)
        for line in daemon.control("queue", "--json").stdout.splitlines()
    ]
    names = ("sender", "ret", "envid", "verp")
    said = [
        ([each[name] for name in names], each["recipients"][0]["notify"])
        for each in shown
    ]
    assert said == [(["list@example.org", "HDRS", "a+20b", "-="], "SUCCESS,DELAY")] * 2


@pytest.mark.parametrize("first", ["socket", "drop"])
def test_one_key_is_one_mail_by_whatever_door_it_comes(
    daemon: DaemonProcess, door: api.Door, first: str
) -> None:
    doors = [door, only_drop(door)]
    for way in doors if first == "socket" else reversed(doors):
        api.submit(MAIL, key="invoice 7", door=way)
        daemon.wait_for("MessageAccepted")
    daemon.wait_for("SubmissionRepeated")
    daemon.stop()

    assert os.listdir(daemon.drop) == []
    assert len(stored(daemon)) == 1


def test_the_same_mail_is_submitted_verified(
    daemon: DaemonProcess, door: api.Door
) -> None:
    for text in MAILS:
        one = api.prepare(text, "a@example.org", "b@example.net")
        assert api.submit(one, door=door, verify=True).where == "socket"

    assert len(stored(daemon)) == len(MAILS)


def test_a_daemon_that_is_down_finds_the_mail_when_it_comes(
    daemon: DaemonProcess, door: api.Door
) -> None:
    api.submit(MAIL, door=door)
    daemon.stop()

    found = api.submit(MAIL, door=door)

    assert found.where == "drop"
    daemon.start()
    daemon.wait_for("MessageAccepted", 2)
    assert api.submit(MAIL, door=door).where == "socket"


def test_staged_mails_leave_together(daemon: DaemonProcess, door: api.Door) -> None:
    mails = [api.prepare(MAIL) for _ in range(100)]
    api.stage(mails, door).discard()
    staged = api.stage(mails, door)
    api.submit(MAIL, door=only_drop(door))
    daemon.wait_for("MessageAccepted")

    staged.release()

    daemon.wait_for("MessageAccepted", 101)
    daemon.stop()
    assert os.listdir(daemon.drop) == []
    assert daemon.of("SubmissionRepeated") == []


def test_a_daemon_killed_over_a_bundle_stores_each_mail_once(
    daemon: DaemonProcess, door: api.Door
) -> None:
    mails = [api.prepare(MAIL) for _ in range(2000)]
    api.stage(mails, door).release()
    daemon.wait_for("MessageAccepted", 300)

    daemon.kill()
    before = len(stored(daemon))
    daemon.start()

    daemon.wait_for("SubmissionRepeated", before)
    daemon.stop()
    assert os.listdir(daemon.drop) == []
    assert len(stored(daemon)) == 2000


def test_the_queue_says_how_it_is(daemon: DaemonProcess, door: api.Door) -> None:
    api.submit(MAIL, recipients=["b@example.net", "c@example.net"], door=door)

    found = api.queue_status(door)

    assert found.waiting == 2
    assert found.oldest
    assert [each["name"] for each in found.spools] == ["drop"]


def test_if_the_daemon_refuses_one_recipient_nobody_gets_the_mail(
    daemon: DaemonProcess, door: api.Door
) -> None:
    with pytest.raises(api.NotAccepted) as caught:
        api.submit(MAIL, recipients=["b@example.net", "c@-example.net"], door=door)

    assert caught.value.recipients == ("c@-example.net",)
    assert (caught.value.code, caught.value.status) == (553, "5.1.3")
    assert api.submit(MAIL, door=door).where == "socket"
    assert len(stored(daemon)) == 1


def test_too_large_a_mail_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, 9, "[queue]\nmessage_size_limit = 1M\n").start()
    door = api.Door(run=tmp_path / "run", drop=daemon.drop)

    with pytest.raises(api.NotAccepted, match="552"):
        api.submit(MAIL + "x" * 2_000_000, door=door)

    assert daemon.stop() == 0
    assert os.listdir(daemon.drop) == []


def test_25_megabytes_arrive_by_both_doors(
    daemon: DaemonProcess, door: api.Door
) -> None:
    text = MAIL + ("z" * 78 + "\n") * (25 * 1024 * 1024 // 80 - 10)
    for way in (door, only_drop(door)):
        api.submit(text, door=way)
    daemon.wait_for("MessageAccepted", 2)

    first, second = map(plain, stored(daemon))
    assert first == second
    assert len(first[2]) > 25 * 1024 * 1024 - 1000


# --- threads, tasks and processes ---------------------------------------------


def test_sixteen_threads_submit_at_once(daemon: DaemonProcess, door: api.Door) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: api.submit(MAIL, door=door), range(400)))

    assert {each.where for each in found} == {"socket"}
    assert len({each.queue_id for each in found}) == 400
    assert len(stored(daemon)) == 400


def test_tasks_submit_at_once_in_one_loop_after_the_other(
    daemon: DaemonProcess, door: api.Door
) -> None:
    async def submit() -> None:
        mails = (api.submit_async(MAIL, door=door) for _ in range(50))
        assert {each.where for each in await asyncio.gather(*mails)} == {"socket"}

    for _ in range(3):
        asyncio.run(submit())

    assert len(stored(daemon)) == 150


def test_a_task_that_is_cancelled_and_tried_again_is_one_mail(
    daemon: DaemonProcess, door: api.Door
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

    assert len(stored(daemon)) == 40


def test_parent_and_child_submit_after_a_fork(
    daemon: DaemonProcess, door: api.Door
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
    assert len(stored(daemon)) == 1 + 5 * 50


def _submits(door: api.Door) -> None:
    for _ in range(50):
        assert api.submit(MAIL, door=door).where == "socket"


def test_a_fork_while_others_submit_shares_no_connection(
    daemon: DaemonProcess, door: api.Door
) -> None:
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(8) as pool:
        busy = [pool.submit(_submits, door) for _ in range(8)]
        daemon.wait_for("MessageAccepted", 40)
        children = [context.Process(target=_submits, args=(door,)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(30)
        for each in busy:
            each.result()

    assert [child.exitcode for child in children] == [0] * 3
    assert len(stored(daemon)) == 11 * 50


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
    daemon: DaemonProcess, door: api.Door, tmp_path: Path
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
    daemon.wait_for("MessageAccepted", len(points))
    daemon.stop()

    assert os.listdir(daemon.drop) == []
    assert doors == {"socket", "drop"}
    assert len(stored(daemon)) == len(points)
    assert daemon.of("SubmissionRepeated")


# --- who may not --------------------------------------------------------------


AS_NOBODY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from maildropd import api
door = api.Door(run=sys.argv[1], drop=sys.argv[2])
for act in (lambda: api.queue_status(door), lambda: api.submit(sys.argv[3], door=door)):
    try:
        print(act())
    except api.Unavailable as error:
        print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_not_is_told_what_is_closed(
    daemon: DaemonProcess, door: api.Door
) -> None:
    for folder in (daemon.folder, *daemon.folder.parents[:2]):
        folder.chmod(0o755)
    daemon.stop()
    words = [sys.executable, "-c", AS_NOBODY, door.run, door.drop, MAIL]

    said = subprocess.run(
        words, cwd=HOME, check=True, timeout=30, capture_output=True, text=True
    ).stdout

    assert "Permission denied" in said.splitlines()[1]
    daemon.start()
