# SPDX-License-Identifier: Apache-2.0
"""An old spool of a thousand mails, taken over by a running daemon."""

import hashlib
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

LOCKED, BROKEN, ALL = 100, 20, 1000
MAIL = (
    b"##To:r%d@example.net\n##From:app@example.org\n"
    b"Subject: n%d\n\nA line.\n.\n\xc3\xbc\n"
)
READY = ALL - LOCKED - BROKEN
IMPORT = ("import-queue", "maildrophost")
JUNK = (b"no mail\n", b"##To:a b@x@y\nSubject: x\n\nhi\n", b"##To\n", b"##To:a@b\n")


@pytest.fixture
def daemon(daemon: DaemonProcess) -> DaemonProcess:
    """Whoever runs this may bring mail of any sender, as root may."""
    daemon.configure("[submission]\ncheck_senders = no\n")
    return daemon


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "old" / "spool"
    folder.mkdir(parents=True)
    for number in range(ALL - BROKEN):
        (folder / str(100_000 + number)).write_bytes(MAIL % (number, number))
    for number in range(LOCKED):
        (folder / f"{100_000 + number * 9}.lck").write_text("locked")
    for number in range(BROKEN):
        (folder / f"broken{number}").write_bytes(JUNK[number % len(JUNK)])
    return folder


def counts(daemon: DaemonProcess) -> Counter[str]:
    """Return how many recipients are in each state."""
    said = daemon.control("queue", "--json").stdout
    return Counter(re.findall(r'"state": "(\w+)"', said))


def test_a_thousand_mails_end_as_delivered_held_and_quarantined(
    daemon: DaemonProcess, server: SmtpServer, spool: Path
) -> None:
    daemon.start()
    before = sorted(os.listdir(spool))

    planned = daemon.control(*IMPORT, str(spool), "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "1000 mails: 880 queued, 100 held, 20 quarantined, 0 left" in planned.stdout
    assert (sorted(os.listdir(spool)), daemon.events[-1:]) == (
        before,
        daemon.events[-1:],
    )

    said = daemon.control(*IMPORT, str(spool), "--remove")
    assert said.returncode == 0, said.stderr
    assert f"1000 mails removed from {spool}" in said.stdout
    daemon.wait_for("MessageDone", READY)

    held = counts(daemon)
    quarantined = list((daemon.folder / "quarantine").glob("*.reason"))
    assert os.listdir(spool) == []
    assert held == {"hold": LOCKED}
    assert len(server.delivered) + held["hold"] + len(quarantined) == ALL
    bodies = Counter(taken.recipients[0] for taken in server.delivered)
    assert set(bodies.values()) == {1}


def test_a_daemon_killed_in_the_middle_gets_no_mail_twice(
    daemon: DaemonProcess, server: SmtpServer, spool: Path
) -> None:
    """It says how far it came, and run again it goes on from there."""
    daemon.start()
    before = sorted(os.listdir(spool))
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(daemon.control, *IMPORT, str(spool), "--remove")
        daemon.wait_for("MessageAccepted", 200)
        daemon.kill()
        interrupted = first.result()
    assert interrupted.returncode == 1
    assert "nothing was removed; run this again" in interrupted.stderr
    assert sorted(os.listdir(spool)) == before

    daemon.start()
    said = daemon.control(*IMPORT, str(spool), "--remove")

    assert said.returncode == 0, said.stderr
    # What comes twice is no other mail.
    daemon.until(
        lambda: len({taken.content for taken in server.delivered}) >= READY,
        f"{READY} deliveries",
    )
    daemon.wait_for("MessageDone", READY - 40)
    arrived = Counter(taken.content for taken in server.delivered)
    # What was on the wire when it was killed may come twice (RFC 1047).
    assert len(arrived) == READY
    assert sum(arrived.values()) <= READY + 40
    assert counts(daemon)["hold"] == LOCKED
    assert os.listdir(spool) == []


def test_what_is_delivered_is_what_lay_there(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "100001").write_bytes(MAIL % (1, 1))
    daemon.start()

    daemon.control(*IMPORT, str(old))
    daemon.wait_for("MessageDone")

    (taken,) = server.delivered
    assert taken.mail.startswith(b"MAIL FROM:<app@example.org>")
    assert taken.recipients == ("r1@example.net",)
    assert taken.content.endswith(b"\r\n\r\nA line.\r\n.\r\n\xc3\xbc\r\n")


def test_without_a_daemon_nothing_is_touched(
    daemon: DaemonProcess, spool: Path
) -> None:
    before = {name: _digest(spool / name) for name in os.listdir(spool)}

    said = daemon.control(*IMPORT, str(spool), "--remove")

    assert said.returncode == 1
    assert (
        "maildropd is not running: start it first; nothing was touched" in said.stderr
    )
    assert {name: _digest(spool / name) for name in os.listdir(spool)} == before


def test_odd_mails_come_through_or_are_set_aside(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    """Names beyond UTF-8, 25 MB and more, a header alone, and no file at all."""
    old = tmp_path / "old"
    old.mkdir()
    head = b"##To:%s@example.net\n##From:\n"
    limit = 25 * 1024 * 1024
    body = b"Subject: large\n\n" + b"0123456789abcde\n" * (limit // 17 - 100)
    odd = {
        b"\xff\xfe name": head % b"name" + b"Subject: name\n\nhi\n",
        b"header": head % b"header" + b"Subject: header\n",
        b"just": head % b"just" + body,
        b"more": head % b"more" + body + b"x" * 1000 + b"\n" * limit,
        b"line\nend": head % b"line" + b"Subject: line\n\n\x00\xff\r\n.\r\n\n",
    }
    for name, content in odd.items():
        (old / os.fsdecode(name)).write_bytes(content)
    os.mkfifo(old / "fifo")
    daemon.start()

    said = daemon.control(*IMPORT, str(old), "--remove")

    assert said.returncode == 0, said.stderr
    assert "6 mails: 4 queued, 0 held, 1 quarantined, 1 left" in said.stdout
    assert [line for line in said.stdout.splitlines() if not line.isprintable()] == []
    daemon.wait_for("MessageDone", 4)
    arrived = {taken.recipients[0]: taken.content for taken in server.delivered}
    assert set(arrived) == {
        f"{n}@example.net" for n in ("name", "header", "just", "line")
    }
    assert arrived["just@example.net"].endswith(body.replace(b"\n", b"\r\n"))
    assert b"\x00\xff\r\n.\r\n" in arrived["line@example.net"]
    assert os.listdir(old) == ["fifo"]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_mails_that_are_refused_harm_no_other(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    folder = tmp_path / "old" / "spool"
    folder.mkdir(parents=True)
    large = b"x" * 70 + b"\n"
    refused = {"r1": (b"bob@-x.example", b"")}
    refused["r2"] = (b"bob@-x.example,carol@example.net", b"")
    refused |= {f"r3{number}": (b"dan@example.net", large * 300) for number in range(9)}
    good = {"s1": (b"eve@example.net", b""), "s2": (b"eve.@example.net", b"")}
    for moment, (name, (to, text)) in enumerate((refused | good).items(), 1):
        (folder / name).write_bytes(b"##To:%s\n##From:a@b.c\nX: y\n\n%s" % (to, text))
        os.utime(folder / name, (moment, moment))
    limit = "[submission]\ncheck_senders = no\n[queue]\nmessage_size_limit = 10k\n"
    daemon.configure(limit)
    daemon.start()

    said = daemon.control(*IMPORT, str(folder), "--remove")

    assert said.returncode == 0, said.stderr
    assert "13 mails: 2 queued, 0 held, 11 quarantined, 0 left" in said.stdout
    daemon.wait_for("MessageDone", len(good))
    taken = sorted(each.recipients[0] for each in server.delivered)
    assert taken == ['"eve."@example.net', "eve@example.net"]
