# SPDX-License-Identifier: Apache-2.0
"""The daemon has few file descriptors, or suddenly none."""

import os
import resource
from itertools import count

import pytest

from tests.fakes.actions import Peer
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:r%d@example.net\n##From:a@example.org\nSubject: hi\n\nA line.\n"
SHORT = ("no file descriptors left", "unable to open", "Too many open files")
OPEN_FILES = resource.RLIMIT_NOFILE


def slowly(peer: Peer) -> None:
    peer.pause(0.05)
    peer.usual()


def limited(daemon: DaemonProcess, limit: int, config: str = "") -> None:
    """Start it with so many descriptors, and leave to use a hundred connections."""
    daemon.configure(config)
    path = daemon.folder / "maildropd.conf"
    path.write_text(path.read_text().replace("tls =", "max_connections = 100\ntls ="))
    daemon.within = ["prlimit", f"--nofile={limit}"]
    daemon.start()


def first_free(pid: int) -> int:
    """Return the lowest descriptor that a process has not open.

    It may have one open for a moment, so it is looked at a few times.
    """
    looks = [set(map(int, os.listdir(f"/proc/{pid}/fd"))) for _ in range(20)]
    return min(next(n for n in count() if n not in in_use) for in_use in looks)


def delivered(server: SmtpServer) -> list[str]:
    return sorted(path for taken in server.delivered for path in taken.recipients)


@pytest.mark.parametrize("limit", [64, 32])
def test_few_descriptors_make_few_connections_and_no_other_difference(
    daemon: DaemonProcess, server: SmtpServer, limit: int
) -> None:
    """Connections took them all: no mail was read, no operator was answered."""
    server.on("dot", slowly)
    limited(daemon, limit)

    for number in range(100):
        daemon.put(f"{number}", MAIL % number)
    server.wait(lambda server: len(server.delivered) >= 5, 30)
    status = daemon.control("status")
    daemon.wait_for("MessageDone", 100)

    assert status.returncode == 0, status.stderr
    assert len(delivered(server)) == len(set(delivered(server))) == 100
    (short,) = daemon.of("DescriptorsShort")
    assert server.connections <= int(short["MAILDROP_CONNECTIONS"]) < 20
    assert daemon.of("InternalError") == daemon.of("RouteFailed") == []
    assert daemon.of("FileLeftAlone") == daemon.of("SpoolUnreachable") == []


def test_spools_for_which_there_is_no_room_are_named_and_their_mail_waits(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    folders = [daemon.folder / f"s{number}" for number in range(30)]
    for folder in folders:
        folder.mkdir()
        (folder / "mail").write_bytes(MAIL % int(folder.name[1:]))
    spools = (f"[spool {f.name}]\npath = {f}\nsettle_time = 0\n" for f in folders)

    limited(daemon, 64, "".join(spools))
    (short,) = daemon.of("DescriptorsShort")
    waiting = int(short["MAILDROP_WAITING"])
    daemon.wait_for("MessageDone", 30 - waiting)
    status = daemon.control("status")

    daemon.stop()  # a file may outlast the delivery of its mail until then
    left = [folder for folder in folders if (folder / "mail").exists()]

    assert 0 < waiting < 25
    unwatched = status.stdout.count("NOT WATCHED, too few file descriptors")
    assert unwatched == waiting, status.stderr
    assert len(left) == waiting
    daemon.within = []
    daemon.start()
    daemon.wait_for("MessageDone", 30)
    assert len(set(delivered(server))) == 30


def test_a_daemon_that_loses_its_last_descriptor_says_so_and_recovers(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    """An operator heard only that it had hung up."""
    daemon.configure("poll_interval = 2s\n")
    daemon.start()
    daemon.put("0", MAIL % 0)
    daemon.wait_for("MessageDone")
    before = resource.prlimit(daemon.pid, OPEN_FILES)

    resource.prlimit(daemon.pid, OPEN_FILES, (first_free(daemon.pid), before[1]))
    daemon.put("1", MAIL % 1)
    said = [daemon.control("status") for _ in range(3)]
    events = len(daemon.events)
    resource.prlimit(daemon.pid, OPEN_FILES, before)
    daemon.wait_for("MessageAccepted", 2)
    daemon.control("flush")  # the relay's pause may have grown to a minute
    daemon.wait_for("MessageDone", 2)

    for each in said:
        told = any(word in each.stderr for word in SHORT)
        assert told or each.returncode == 0, each.stderr
    assert any(each.returncode for each in said), "it was never short"
    assert events < 30
    assert daemon.control("status").returncode == 0
    assert len(delivered(server)) == len(set(delivered(server))) == 2
