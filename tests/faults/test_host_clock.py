# SPDX-License-Identifier: Apache-2.0
"""Somebody sets the host's clock, and the mail does not notice."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.actions import Peer, reply
from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer
from tests.faults.host_clock import WallClock
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:%s\n##From:app@example.org\nSubject: hi\n\nA line.\n"
YEAR, DAY, HOUR = timedelta(days=365), timedelta(days=1), timedelta(hours=1)
SET = pytest.mark.parametrize("by", [YEAR, -DAY], ids=["a year on", "a day back"])
BUSY = reply("451 4.2.0 busy")


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    clock = WallClock(tmp_path)
    if clock.library is None:
        pytest.skip("libfaketime is missing (faketime)")
    return clock


@pytest.fixture
def daemon(
    tmp_path: Path, server: SmtpServer, clock: WallClock
) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, server.port)
    daemon.environment = clock.environment
    yield daemon
    daemon.stop()


class Gate:
    """Holds a message on the wire."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        self.reached.set()
        assert self.opened.wait(30)
        peer.usual()


def mail(name: str) -> bytes:
    return MAIL % f"{name}@example.net".encode()


def arrived(server: SmtpServer) -> list[str]:
    return [path.split("@")[0] for mail in server.delivered for path in mail.recipients]


@SET
def test_deferred_mail_is_tried_when_it_would_have_been(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock, by: timedelta
) -> None:
    """A year on, it expired at its next refusal; a day back, it waited a day."""
    server.on("rcpt", BUSY, matching="late@", times=2)
    daemon.configure("[queue]\nfirst_retry = 1s\n")
    daemon.start()
    daemon.put("1", mail("late"))
    daemon.wait_for("RecipientDeferred")

    clock.set(by)
    daemon.put("2", mail("new"))
    (jump,) = daemon.wait_for("ClockJumped")
    delivered = daemon.wait_for("RecipientDelivered", 2)

    assert sorted(arrived(server)) == ["late", "new"]
    assert all(int(each["MAILDROP_DELAY_USEC"]) < 60_000_000 for each in delivered)
    assert abs(int(jump["MAILDROP_BY_USEC"]) - by / timedelta(microseconds=1)) < 2e6
    assert _time(delivered[-1]["TIME"]) - clock.now() < timedelta(minutes=1)
    assert daemon.of("RecipientExpired") == []
    assert len(daemon.of("ClockJumped")) == 1


@SET
def test_a_clock_that_is_set_while_the_daemon_is_down_changes_no_due_time(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock, by: timedelta
) -> None:
    server.on("rcpt", BUSY, times=2)
    daemon.configure("[queue]\nfirst_retry = 2s\n")
    daemon.start()
    daemon.put("1", mail("late"))
    daemon.wait_for("RecipientDeferred")
    daemon.stop()

    clock.set(by)
    daemon.start()
    daemon.wait_for("RecipientDelivered")

    assert len(daemon.of("RecipientDeferred")) == 2
    assert len(daemon.of("ClockJumped")) == 1
    daemon.stop()
    daemon.start()
    assert len(daemon.of("ClockJumped")) == 1, "told again at the next start"


@SET
def test_mail_that_is_on_the_wire_goes_through_once(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock, by: timedelta
) -> None:
    """Its lease seemed to have ended long ago, or not to end before tomorrow."""
    gate = Gate()
    server.on("dot", gate, times=1)
    daemon.start()
    daemon.put("1", mail("first"))
    assert gate.reached.wait(30)

    clock.set(by)
    daemon.put("2", mail("second"))
    daemon.wait_for("ClockJumped")
    daemon.wait_for("MessageDone")
    gate.opened.set()
    daemon.wait_for("MessageDone", 2)

    assert sorted(arrived(server)) == ["first", "second"]
    assert daemon.of("LeaseLost") == []


@SET
def test_half_a_mail_is_not_sent(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock, by: timedelta
) -> None:
    """Its writer is at work, whatever age the file seems to have."""
    folder = daemon.folder / "slow"
    folder.mkdir()
    daemon.configure(
        f"[spool slow]\npath = {folder}\nwatch = poll\n"
        "poll_interval = 1s\nsettle_time = 4s\n"
    )
    daemon.start()
    pace = threading.Event()
    path = folder / "mail"

    with path.open("wb", buffering=0) as writer:
        writer.write(mail("slow"))
        for number in range(6):
            writer.write(b"line %d\n" % number)
            now = clock.now().timestamp()
            os.utime(path, (now, now))
            if number == 2:
                clock.set(by)
                pace.wait(1.25)  # for the daemon to look
            pace.wait(0.25)
    daemon.wait_for("MessageDone")

    (taken,) = server.delivered
    assert taken.content.endswith(b"line 5\r\n")
    daemon.until(lambda: not list(folder.iterdir()), "empty folder")


@SET
def test_a_mail_that_is_locked_keeps_its_place(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock, by: timedelta
) -> None:
    """A lock a year old had the mail of a living writer set aside."""
    daemon.configure("poll_interval = 1s\nlock_expiry = 1h\n")
    daemon.start()
    lock = daemon.drop / "mail.lck"
    lock.touch()
    daemon.put("mail", mail("locked"))

    clock.set(by)
    daemon.put("other", mail("other"))
    daemon.wait_for("ClockJumped")
    daemon.wait_for("MessageDone")
    lock.unlink()
    daemon.wait_for("MessageDone", 2)

    assert sorted(arrived(server)) == ["locked", "other"]
    assert daemon.of("LockAbandoned") == []


def test_people_are_shown_times_that_are_true_on_the_wall(
    daemon: DaemonProcess, server: SmtpServer, clock: WallClock
) -> None:
    """Also while the daemon is down."""
    server.on("rcpt", BUSY)
    daemon.configure("[queue]\nfirst_retry = 1h\n")
    daemon.start()
    daemon.put("1", mail("late"))
    daemon.wait_for("RecipientDeferred")
    clock.set(YEAR)
    daemon.put("2", mail("later"))
    daemon.wait_for("ClockJumped")
    daemon.wait_for("RecipientDeferred", 2)

    shown = [_shown(daemon, clock)]
    daemon.stop()
    shown.append(_shown(daemon, clock))
    status = daemon.control("status").stdout

    assert "oldest" in status
    assert " 1d" not in status
    for times in shown:
        for age, wait, life in times:
            assert timedelta(0) <= age < timedelta(seconds=60)
            assert HOUR * 0.75 < wait <= HOUR
            assert timedelta(days=4, hours=23) < life <= timedelta(days=5)


def test_certificates_go_by_the_time_of_day(tmp_path: Path, clock: WallClock) -> None:
    """A clock that is wrong delays mail then, and loses none."""
    made = certificates()
    with SmtpServer(tls=made.server()) as server:
        daemon = DaemonProcess(tmp_path, server.port)
        daemon.environment = clock.environment
        text = (
            (tmp_path / "maildropd.conf").read_text().replace("127.0.0.1", "localhost")
        )
        text = text.replace("tls = none", f"tls = required\ntls_ca_file = {made.ca}")
        (tmp_path / "maildropd.conf").write_text(text)
        clock.set(30 * YEAR)
        daemon.start()
        try:
            daemon.put("1", mail("secret"))
            failed = daemon.wait_for("RouteAlarm")[0]
            clock.set(timedelta(0))
            daemon.control("flush")
            daemon.wait_for("MessageDone")
        finally:
            daemon.stop()

    assert "expired" in failed["MESSAGE"]
    assert arrived(server) == ["secret"]


def test_a_daemon_that_was_stopped_for_hours_goes_on_as_if_nothing_had_been(
    tmp_path: Path, server: SmtpServer
) -> None:
    """All leases have ended, and all promises seem to be broken."""
    clock = WallClock(tmp_path, others_too=True)
    if clock.library is None:
        pytest.skip("libfaketime is missing (faketime)")
    gate = Gate()
    server.on("dot", gate, times=1)
    # Without a warning to the sender, who has waited for hours indeed.
    daemon = DaemonProcess(tmp_path, server.port, "[queue]\ndelay_warning = 0\n")
    daemon.environment = clock.environment
    daemon.start()
    try:
        daemon.put("1", mail("first"))
        assert gate.reached.wait(30)
        daemon.signal(signal.SIGSTOP)
        clock.set(5 * HOUR)
        daemon.signal(signal.SIGCONT)
        daemon.put("2", mail("second"))
        daemon.wait_for("MessageDone")
        status = daemon.control("status")
        gate.opened.set()
        daemon.wait_for("MessageDone", 2)
    finally:
        daemon.signal(signal.SIGCONT)
        daemon.stop()

    assert status.returncode == 0
    assert sorted(arrived(server)) == ["first", "second"]
    assert daemon.of("LoopStuck") == daemon.of("LeaseLost") == []
    assert daemon.of("ClockJumped") == []


def _shown(
    daemon: DaemonProcess, clock: WallClock
) -> list[tuple[timedelta, timedelta, timedelta]]:
    """Return the age of each mail, the wait for its next try, and its life."""
    now = clock.now()
    said = daemon.control("queue", "--json").stdout.splitlines()
    found = [json.loads(line) for line in said]
    assert len(found) == 2
    return [
        (
            now - _time(each["arrived"]),
            _time(each["recipients"][0]["due"]) - now,
            _time(each["give_up"]) - _time(each["arrived"]),
        )
        for each in found
    ]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
