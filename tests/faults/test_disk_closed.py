# SPDX-License-Identifier: Apache-2.0
"""A disk without inodes, read-only, closed to us, or gone bad while we work on it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.faults.disk import Disk, ext4, run, tmpfs
from tests.faults.letters import (
    NOT_NOW,
    arrived,
    left_with,
    names,
    once,
    put,
    took,
    waiting,
)
from tests.integration.daemon import DaemonProcess

CONFIG = """poll_interval = 500ms
quarantine = {root}/quarantine
[daemon]
state_directory = {root}/state
[queue]
disk_reserve = 1M
first_retry = 1s
slowest_retry = 1s
"""
# The checkout may be closed to all but root; so it is root, without his right
# to pass by permissions.
PLAIN = "-dac_override,-dac_read_search,-linux_immutable"


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as mounts:
        yield mounts


@pytest.fixture
def disk(tmp_path: Path, disks: ExitStack) -> Disk:
    return disks.enter_context(ext4(tmp_path, "32M"))


@pytest.fixture
def daemon(
    tmp_path: Path, disks: ExitStack, server: SmtpServer
) -> Iterator[DaemonProcess]:
    """A daemon with its drop on one disk and its store on another; not started."""
    daemon = DaemonProcess(tmp_path, server.port, CONFIG.format(root=tmp_path / "disk"))
    daemon.within = ["setpriv", f"--bounding-set={PLAIN}"]
    yield daemon
    daemon.stop()


def refused(daemon: DaemonProcess) -> tuple[int, str]:
    """Let a daemon try to start; return its end, and what it said."""
    done = daemon.another()
    return done.returncode, done.stderr


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_without_inodes_small_mail_goes_on_and_large_mail_waits(
    kind: str,
    tmp_path: Path,
    disks: ExitStack,
    daemon: DaemonProcess,
    server: SmtpServer,
) -> None:
    few = tmpfs(tmp_path, "size=24M,nr_inodes=64")
    disk = disks.enter_context(few if kind == "tmpfs" else ext4(tmp_path, "24M"))
    small, large = names("small", 20), names("large", 3)
    daemon.start()

    disk.use_up_inodes()
    put(daemon, large, size=1)
    put(daemon, small)
    daemon.wait_for("MessageDone", 20)

    (told,) = daemon.wait_for("IntakeStopped")
    assert "no inode is free" in told["MAILDROP_REASON"]
    left_with(daemon, large)
    disk.give_inodes_back()
    daemon.wait_for("MessageDone", 23)
    assert arrived(server) == once(small, large)
    assert len(daemon.of("IntakeStopped")) == 1


def test_on_a_read_only_disk_it_says_so_and_starts_when_it_can_write(
    disk: Disk, daemon: DaemonProcess, server: SmtpServer
) -> None:
    server.on("rcpt", NOT_NOW)
    daemon.start()
    put(daemon, ["before"])
    daemon.wait_for("RecipientDeferred")
    daemon.stop()
    put(daemon, ["after"])
    server.forget()

    run("mount", "-o", "remount,ro", disk.root)
    code, said = refused(daemon)

    assert (code, waiting(daemon)) == (1, {"after"})
    assert f"{disk.root}/state" in said
    assert "read-only" in said
    run("mount", "-o", "remount,rw", disk.root)
    daemon.start().wait_for("MessageDone", 2)
    assert arrived(server) == once(["before", "after"])


def test_a_disk_that_becomes_read_only_at_work_stops_it_until_it_is_mended(
    disk: Disk, daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    """As ext4 does by itself when it finds an error; mended means mounted anew."""
    run("mount", "-o", "remount,errors=remount-ro", disk.root)
    server.on("rcpt", NOT_NOW)
    daemon.start()
    put(daemon, names("queued", 20))
    daemon.wait_for("RecipientDeferred", 20)

    disk.break_down()
    server.forget()
    put(daemon, ["new"])
    daemon.wait_for("StoreTrouble")
    daemon.kill()
    doubled = len(arrived(server))
    disk.mend(tmp_path / "disk.img")
    daemon.start().wait_for("MessageDone", 21)

    came = arrived(server)
    assert set(came) == {*names("queued", 20), "new"}
    assert max(came.values()) <= 2
    assert sum(came.values()) - len(came) <= doubled <= 12, "what was in flight"
    left_with(daemon, [])


def test_an_outcome_that_cannot_be_recorded_is_waited_for_and_recorded_once(
    disk: Disk, daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    """Going on would deliver mail whose delivery nobody remembers."""
    queued = names("queued", 30)
    server.on("rcpt", NOT_NOW)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        daemon.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000")
        put(daemon, queued)
        daemon.wait_for("RecipientDeferred", 30)
        # Not the index of the log: the kernel kills who may not write to a page.
        files = [disk.root / "state" / name for name in ("queue.db", "queue.db-wal")]

        run("chattr", "+i", *files)
        server.forget()
        daemon.wait_for("StoreTrouble")
        _hear(systemd, b"WATCHDOG=1", 3)
        in_flight = len(server.ledger)
        assert in_flight <= 12
        run("chattr", "-i", *files)
        daemon.wait_for("MessageDone", 30)

    assert arrived(server) == once(queued)
    assert len(daemon.of("StoreTrouble")) == 1
    assert daemon.of("LoopStuck") == []


def test_what_somebody_closes_at_work_is_missed_only_where_it_is_needed(
    disk: Disk, daemon: DaemonProcess, server: SmtpServer
) -> None:
    """Files that are open stay open; large contents need the directory."""
    state = disk.root / "state"
    daemon.start()
    put(daemon, ["first"], size=1)
    daemon.wait_for("MessageDone")

    for path in (state, state / "queue.db", state / "content"):
        path.chmod(0)
    put(daemon, ["large"], size=1)
    put(daemon, names("small", 5))
    daemon.wait_for("MessageDone", 6)

    (told,) = daemon.wait_for("IntakeStopped")
    assert "Permission denied" in told["MAILDROP_REASON"]
    left_with(daemon, ["large"])
    for path in (state, state / "queue.db", state / "content"):
        path.chmod(0o700)
    daemon.wait_for("MessageDone", 7)
    assert arrived(server) == once(["first", "large"], names("small", 5))


@pytest.mark.parametrize("name", ["", "queue.db", "content"])
@pytest.mark.parametrize("how", ["chmod", "chown", "chattr"])
def test_what_is_closed_to_it_is_named_and_the_start_put_off(
    how: str, name: str, disk: Disk, daemon: DaemonProcess
) -> None:
    """Status 1: systemd tries again, since somebody may mend it at any time."""
    daemon.start().stop()
    place = disk.root / "state" / name
    close = {
        "chmod": ("chmod", "0400"),
        "chown": ("chown", "nobody"),
        "chattr": ("chattr", "+i"),
    }
    reopen = {
        "chmod": ("chmod", "0700"),
        "chown": ("chown", "root"),
        "chattr": ("chattr", "-i"),
    }

    put(daemon, ["one"])
    run(*close[how], place)
    code, said = refused(daemon)

    run(*reopen[how], place)
    assert (code, waiting(daemon)) == (1, {"one"})
    assert str(place) in said
    daemon.start().wait_for("MessageDone")


def test_a_quarantine_that_is_closed_leaves_the_file_and_stops_nothing(
    disk: Disk, daemon: DaemonProcess, server: SmtpServer
) -> None:
    (disk.root / "quarantine").mkdir(mode=0o500)
    server.on("rcpt", reply("451 4.2.0 later"), matching="good", times=3)
    daemon.start()

    daemon.put("bad", b"no mail at all")
    put(daemon, ["good"])
    daemon.wait_for("MessageDone")

    server.wait(took(1))
    left_with(daemon, ["bad"])
    (told,) = daemon.wait_for("FileLeftAlone")
    assert "cannot be set aside (Permission denied)" in told["MAILDROP_REASON"]


def _hear(systemd: socket.socket, word: bytes, times: int) -> None:
    """Wait until systemd was told something so often, from now on."""
    systemd.setblocking(False)
    try:
        while True:
            systemd.recv(4096)
    except BlockingIOError:
        systemd.settimeout(20)
    for _ in range(times):
        while word not in systemd.recv(4096):
            pass
