# SPDX-License-Identifier: Apache-2.0
"""A disk that others fill: what is queued goes out and is recorded, new mail waits."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.faults.disk import Disk, ext4, tmpfs
from tests.faults.letters import (
    NOT_NOW,
    POLLS,
    arrived,
    left_with,
    names,
    once,
    put,
    waiting,
)
from tests.integration.daemon import DaemonProcess

CONFIG = f"""{POLLS}quarantine = {{root}}/quarantine
[daemon]
state_directory = {{root}}/state
[queue]
disk_reserve = 4M
first_retry = 1s
slowest_retry = 1s
"""
# An outcome takes more room than what was there before it.
LENGTHY = reply("451 4.2.0 " + "come again, but not before I have said so " * 10)
Make = Callable[[Path], AbstractContextManager[Disk]]
DISKS: dict[str, Make] = {
    "ext4": lambda folder: ext4(folder, "40M"),
    "tmpfs": lambda folder: tmpfs(folder, "size=40M"),
}


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with DISKS[request.param](tmp_path) as disk:
        yield disk


@pytest.fixture
def daemon(tmp_path: Path, disk: Disk, server: SmtpServer) -> Iterator[DaemonProcess]:
    """A daemon with its drop on one disk and its store on another."""
    daemon = DaemonProcess(tmp_path, server.port, CONFIG.format(root=disk.root))
    yield daemon
    daemon.stop()


FIRST, SECOND, THIRD = (
    tuple(f"{word}{number}" for number in range(150))
    for word in ("first", "second", "third")
)
BIG = ("big0", "big1", "big2")  # what they leave is less than what is kept free


def queue(daemon: DaemonProcess, server: SmtpServer) -> None:
    """Have all of them in the queue, where they wait."""
    server.on("rcpt", NOT_NOW)
    daemon.start()
    put(daemon, [*FIRST, *SECOND, *THIRD])
    put(daemon, BIG, size=1)
    daemon.wait_for("MessageAccepted", 453)


def test_the_status_says_for_how_long_no_new_mail_is_taken(
    daemon: DaemonProcess, disk: Disk
) -> None:
    """Only the log said it, and what waits in the drop is in no queue."""
    words = "\nstore       NO NEW MAIL IS TAKEN, "
    daemon.start()
    disk.fill()
    put(daemon, ["new"])
    daemon.wait_for("IntakeStopped")

    assert words in daemon.control("status").stdout
    disk.empty()
    daemon.wait_for("MessageDone")
    assert words not in daemon.control("status").stdout


def test_what_is_queued_is_delivered_once_and_what_is_new_waits(
    daemon: DaemonProcess, disk: Disk, server: SmtpServer
) -> None:
    """Also by daemons that are started on the full disk, after a stop and a kill."""
    new = names("new", 20)
    queue(daemon, server)

    disk.fill()
    put(daemon, new)
    server.forget()
    server.on("rcpt", LENGTHY, matching="second")
    server.on("rcpt", LENGTHY, matching="third")
    daemon.wait_for("MessageDone", 153)
    daemon.wait_for("IntakeStopped")
    assert daemon.stop() == 0
    disk.fill()  # what the large ones have left, and the end of the daemon
    server.forget()
    server.on("rcpt", LENGTHY, matching="third")
    daemon.start().wait_for("MessageDone", 303)
    daemon.wait_for("IntakeStopped", 2)
    daemon.kill()
    disk.fill()
    server.forget()
    daemon.start().wait_for("MessageDone", 453)

    assert arrived(server) == once(FIRST, BIG, SECOND, THIRD)
    assert waiting(daemon) == set(new)
    assert daemon.of("StoreTrouble") == []
    told = [each["MAILDROP_REASON"] for each in daemon.wait_for("IntakeStopped", 3)]
    assert len(told) == 3, "once for each start, however often it was tried"
    assert all("disk_reserve" in reason for reason in told)

    disk.empty()
    daemon.wait_for("MessageDone", 473)
    assert arrived(server) == once(FIRST, BIG, SECOND, THIRD, new)
    left_with(daemon, [])
