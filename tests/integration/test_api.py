# SPDX-License-Identifier: Apache-2.0
"""The Python API against the real running: one mail comes of it, and the same one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maildropd import api
from tests.integration.daemon import HOME, DaemonProcess
from tests.integration.in_store import only_drop, plain, stored

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


@pytest.mark.parametrize("sender", ["a@example.org", "<>", '"a b"@example.org', "root"])
def test_the_socket_and_the_drop_make_the_same_mail(
    running: DaemonProcess, door: api.Door, sender: str
) -> None:
    """Whatever is missing is added in both; nothing else is different."""
    for number, text in enumerate(MAILS, 1):
        one = api.prepare(text, sender, NAMES)
        other = api.prepare(text, sender, NAMES)
        assert api.submit(one, door=door).where == "socket"
        assert api.submit(other, door=only_drop(door)).where == "drop"
        running.wait_for("MessageAccepted", 2 * number)

    mails = [plain(each) for each in stored(running)]
    assert mails[::2] == mails[1::2]
    assert all(names == mails[0][1] for _, names, _ in mails)


def test_all_wishes_are_the_same_by_both_doors(
    running: DaemonProcess, door: api.Door
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
    running.wait_for("MessageAccepted", 2)

    shown = [
        json.loads(line)
        for line in running.control("queue", "--json").stdout.splitlines()
    ]
    names = ("sender", "ret", "envid", "verp")
    said = [
        ([each[name] for name in names], each["recipients"][0]["notify"])
        for each in shown
    ]
    assert said == [(["list@example.org", "HDRS", "a+20b", "-="], "SUCCESS,DELAY")] * 2


@pytest.mark.parametrize("first", ["socket", "drop"])
def test_one_key_is_one_mail_by_whatever_door_it_comes(
    running: DaemonProcess, door: api.Door, first: str
) -> None:
    doors = [door, only_drop(door)]
    for way in doors if first == "socket" else reversed(doors):
        api.submit(MAIL, key="invoice 7", door=way)
        running.wait_for("MessageAccepted")
    running.wait_for("SubmissionRepeated")
    running.stop()

    assert os.listdir(running.drop) == []
    assert len(stored(running)) == 1


def test_the_same_mail_is_submitted_verified(
    running: DaemonProcess, door: api.Door
) -> None:
    for text in MAILS:
        one = api.prepare(text, "a@example.org", "b@example.net")
        assert api.submit(one, door=door, verify=True).where == "socket"

    assert len(stored(running)) == len(MAILS)


def test_a_daemon_that_is_down_finds_the_mail_when_it_comes(
    running: DaemonProcess, door: api.Door
) -> None:
    api.submit(MAIL, door=door)
    running.stop()

    found = api.submit(MAIL, door=door)

    assert found.where == "drop"
    running.start()
    running.wait_for("MessageAccepted", 2)
    assert api.submit(MAIL, door=door).where == "socket"


def test_staged_mails_leave_together(running: DaemonProcess, door: api.Door) -> None:
    mails = [api.prepare(MAIL) for _ in range(100)]
    api.stage(mails, door).discard()
    staged = api.stage(mails, door)
    api.submit(MAIL, door=only_drop(door))
    running.wait_for("MessageAccepted")

    staged.release()

    running.wait_for("MessageAccepted", 101)
    running.stop()
    assert os.listdir(running.drop) == []
    assert running.of("SubmissionRepeated") == []


def test_a_daemon_killed_over_a_bundle_stores_each_mail_once(
    running: DaemonProcess, door: api.Door
) -> None:
    bundles = killed_over_a_bundle(running, door)
    running.start()

    running.until(lambda: not os.listdir(running.drop), "end of the bundle")
    running.stop()
    assert running.count("SubmissionRepeated") >= 300
    assert len(stored(running)) == bundles * 2000


def killed_over_a_bundle(running: DaemonProcess, door: api.Door) -> int:
    """Return how many bundles it took: it may be through before it is killed."""
    for bundles in range(1, 10):
        before = running.count("MessageAccepted")
        api.stage([api.prepare(MAIL) for _ in range(2000)], door).release()
        running.wait_for("MessageAccepted", before + 300)
        running.kill()
        if os.listdir(running.drop):
            return bundles
        running.start()
    raise AssertionError("it is always through before it is killed")


def test_the_queue_says_how_it_is(running: DaemonProcess, door: api.Door) -> None:
    api.submit(MAIL, recipients=["b@example.net", "c@example.net"], door=door)

    found = api.queue_status(door)

    assert found.waiting == 2
    assert found.oldest
    assert [each["name"] for each in found.spools] == ["drop"]


def test_if_the_daemon_refuses_one_recipient_nobody_gets_the_mail(
    running: DaemonProcess, door: api.Door
) -> None:
    with pytest.raises(api.NotAccepted) as caught:
        api.submit(MAIL, recipients=["b@example.net", "c@-example.net"], door=door)

    assert caught.value.recipients == ("c@-example.net",)
    assert (caught.value.code, caught.value.status) == (553, "5.1.3")
    assert api.submit(MAIL, door=door).where == "socket"
    assert len(stored(running)) == 1


def test_too_large_a_mail_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    running = DaemonProcess(tmp_path, 9, "[queue]\nmessage_size_limit = 1M\n").start()
    door = api.Door(run=tmp_path / "run", drop=running.drop)

    with pytest.raises(api.NotAccepted, match="552"):
        api.submit(MAIL + "x" * 2_000_000, door=door)

    assert running.stop() == 0
    assert os.listdir(running.drop) == []


def test_25_megabytes_arrive_by_both_doors(
    running: DaemonProcess, door: api.Door
) -> None:
    text = MAIL + ("z" * 78 + "\n") * (25 * 1024 * 1024 // 80 - 10)
    for way in (door, only_drop(door)):
        api.submit(text, door=way)
    running.wait_for("MessageAccepted", 2)

    first, second = map(plain, stored(running))
    assert first == second
    assert len(first[2]) > 25 * 1024 * 1024 - 1000


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
    running: DaemonProcess, door: api.Door
) -> None:
    for folder in (running.folder, *running.folder.parents[:2]):
        folder.chmod(0o755)
    running.stop()
    words = [sys.executable, "-c", AS_NOBODY, door.run, door.drop, MAIL]

    said = subprocess.run(
        words, cwd=HOME, check=True, timeout=30, capture_output=True, text=True
    ).stdout

    assert "Permission denied" in said.splitlines()[1]
    running.start()
