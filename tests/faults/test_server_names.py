# SPDX-License-Identifier: Apache-2.0
"""A name server that is silent, lost or wrong: mail waits, the daemon does not."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.faults.server_names import NXDOMAIN, REFUSED, SERVFAIL, Namespace
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:r%d@example.net\n##From:a@example.org\nSubject: hi\n\nA line.\n"
SOON = 5.0  # seconds
CONFIG = """
[relay smarthost]
host = relay.test
port = {port}
tls = none
[spool drop]
settle_time = 0
[daemon]
drain_timeout = 1s
"""
NOBODY = "Name or service not known"
LATER = "Temporary failure in name resolution"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a namespace")

Start = Callable[..., tuple[Namespace, SmtpServer, DaemonProcess]]


@contextmanager
def pings(path: Path) -> Iterator[Callable[[], int]]:
    """Count what the watchdog hears."""
    heard: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                heard.append(manager.recv(4096))
            except OSError:
                return

    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(os.fspath(path))
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield lambda: sum(b"WATCHDOG=1" in each for each in heard)
        manager.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def network(folder: Path, options: str) -> Iterator[tuple[Namespace, SmtpServer]]:
    """Have a smarthost that only a name leads to."""
    folder.mkdir()
    names = Namespace(folder, options)
    with names, SmtpServer(listener=names.listener) as server:
        yield names, server


def daemon_in(names: Namespace, server: SmtpServer, folder: Path) -> DaemonProcess:
    daemon = DaemonProcess(folder, server.port)
    (folder / "maildropd.conf").write_text(CONFIG.format(port=server.port))
    daemon.within = names.within()
    return daemon


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NXDOMAIN, NOBODY),
        (SERVFAIL, LATER),
        (REFUSED, LATER),
        (b"not an answer", LATER),
        (b"\xff" * 512, LATER),
    ],
    ids=["NXDOMAIN", "SERVFAIL", "REFUSED", "garbage", "more garbage"],
)
def test_mail_waits_for_a_name_that_is_not_found_and_goes_when_it_is(
    tmp_path: Path, answer: int | bytes, why: str
) -> None:
    """A mistake in a zone bounced all mail of a night (never here)."""
    with network(tmp_path / "net", "timeout:1 attempts:1") as (names, server):
        names.silent, names.answer = False, answer
        daemon = daemon_in(names, server, tmp_path)
        try:
            daemon.start()
            daemon.put("1", MAIL % 1)
            [failed] = daemon.wait_for("RouteFailed")
            listed = daemon.control("queue")
            names.answer = None
            begun = time.monotonic()
            daemon.wait_for("MessageDone")
            took = time.monotonic() - begun
        finally:
            ended = daemon.stop()

    assert failed["MESSAGE"] == (
        f"relay relay.test:{server.port}: unreachable, next try in 1.00 s"
        f" (451 relay.test: name not resolved ({why}))"
    )
    assert failed["MAILDROP_DSN"] == "4.4.3"
    assert "ready" in listed.stdout
    assert not daemon.of("RecipientDeferred")
    assert not daemon.of("RecipientFailed")
    assert took < SOON
    assert ended == 0
    assert len(server.delivered) == 1


def test_a_name_server_that_never_answers_holds_up_the_mail_and_nothing_else(
    tmp_path: Path,
) -> None:
    """getaddrinfo(3) cannot be interrupted; it must not be waited for."""
    with (
        network(tmp_path / "net", "timeout:5 attempts:1") as (names, server),
        pings(tmp_path / "notify") as pinged,
    ):
        daemon = daemon_in(names, server, tmp_path)
        try:
            notify = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
            daemon.start(WATCHDOG_USEC="400000", **notify)
            daemon.put("1", MAIL % 1)
            assert names.asked.acquire(timeout=10)
            before = pinged()
            begun = time.monotonic()
            status = daemon.control("status")
            answered = time.monotonic() - begun
            daemon.put("2", MAIL % 2)
            daemon.wait_for("MessageAccepted", 2)
            accepted = time.monotonic() - begun
            [failed] = daemon.wait_for("RouteFailed")
            hung = time.monotonic() - begun
            fed = pinged() - before
            names.silent = False
            daemon.wait_for("MessageDone", 2)
        finally:
            ended = daemon.stop()

    assert LATER in failed["MESSAGE"]
    assert (status.returncode, ended) == (0, 0)
    assert answered < hung
    assert accepted < hung
    assert fed >= 5
    assert not daemon.of("LoopStuck")
    assert len(server.delivered) == 2


def test_a_name_server_that_never_answers_does_not_hold_up_the_end(
    tmp_path: Path,
) -> None:
    """A stop took until systemd killed the daemon."""
    with network(tmp_path / "net", "timeout:30 attempts:1") as (names, server):
        daemon = daemon_in(names, server, tmp_path)
        try:
            daemon.start()
            daemon.put("1", MAIL % 1)
            assert names.asked.acquire(timeout=10)
            begun = time.monotonic()
            daemon.signal(signal.SIGTERM)
            ended = daemon.wait()
            took = time.monotonic() - begun
            names.silent = False
            daemon.start()
            daemon.wait_for("MessageDone")
        finally:
            daemon.stop()

    assert ended == 0
    assert took < 1 + 5 + 9  # drain_timeout, what a broken-off attempt gets, slack
    assert len(server.delivered) == 1
