# SPDX-License-Identifier: Apache-2.0
"""The service manager, the journal or inotify leave the daemon alone."""

import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from maildropd.host import sockets
from maildropd.mail.events import MessageDone
from maildropd.mail.service_events import JournalLagged
from tests.fakes.actions import hang
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import HOME, DaemonProcess, command

MAIL = b"##To:r%d@example.net\n##From:a@example.org\nSubject: hi\n\nA line.\n"
BACKLOG = 10_000  # events that wait for the journal
LEAVE = {
    "unlinked": ("socket", "30000000"),
    "full": ("socket", "600000"),
    "never there": ("/nowhere/notify", "soon"),
    "a file": ("maildropd.conf", "9" * 30),
    "a microsecond": ("socket", "1"),
}


@contextmanager
def listener(path: Path) -> Iterator[socket.socket]:
    """Listen for datagrams, as systemd and journald do."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as made:
        made.bind(os.fspath(path))
        made.settimeout(30)
        yield made


@pytest.mark.parametrize("how", LEAVE)
def test_without_its_manager_the_daemon_goes_on(
    daemon: DaemonProcess, server: SmtpServer, how: str
) -> None:
    """Whatever became of $NOTIFY_SOCKET, and whatever the watchdog's time says."""
    name, interval = LEAVE[how]
    path = name if name[0] == "/" else str(daemon.folder / name)
    with listener(daemon.folder / "socket"):
        daemon.start(NOTIFY_SOCKET=path, WATCHDOG_USEC=interval, WATCHDOG_PID="")
        if how == "unlinked":
            (daemon.folder / "socket").unlink()

        for number in range(5):
            daemon.put(f"{number}", MAIL % number)
        daemon.wait_for("MessageDone", 5)
        status = daemon.control("status")
        ended = daemon.stop()

    assert (status.returncode, ended) == (0, 0)
    assert len(server.delivered) == 5
    assert daemon.of("InternalError") == daemon.of("LoopStuck") == []


class Journald:
    """Stands in for the journal, for a daemon with a /run of its own."""

    def __init__(self, folder: Path, listening: socket.socket) -> None:
        self.entries: list[dict[str, str]] = []
        self._told = 0
        self._changed = threading.Condition()
        self._socket = listening
        private = (
            "mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&"
            ' mount --bind "$0" /run/systemd/journal && exec "$@"'
        )
        self.process = subprocess.Popen(
            [
                *("unshare", "--mount", "sh", "-c", private, str(folder / "journal")),
                *(*command("maildropd"), "--config", str(folder)),
                *("--log-format", "journal"),
            ],
            cwd=HOME,
        )

    def listen(self) -> None:
        """Take entries from now on."""
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, events: int) -> None:
        """Wait until so many came, or were said to be lost."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._told >= events, 60), self._told

    def of(self, event_id: str) -> list[dict[str, str]]:
        return [one for one in self.entries if one["MESSAGE_ID"] == event_id]

    def _listen(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(1 << 20)
            except OSError:
                return
            with self._changed:
                self.entries.append(entry := _entry(datagram))
                self._told += 1 + int(entry.get("MAILDROP_DROPPED", 0))
                self._changed.notify_all()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give it a /run")
def test_while_the_journal_does_not_listen_mail_flows_and_events_wait(
    tmp_path: Path, server: SmtpServer
) -> None:
    """Ten thousand of them, in bounded memory; of the rest the number is told."""
    number, daemon = 3600, DaemonProcess(tmp_path, server.port)
    (tmp_path / "journal").mkdir()
    for each in range(number):
        (daemon.drop / f"{each}").write_bytes(MAIL % each)

    with listener(tmp_path / "journal" / "socket") as listening:
        journal = Journald(tmp_path, listening)
        try:
            server.wait(lambda server: len(server.delivered) >= number, 120)
            peak = _peak(journal.process.pid)
            journal.listen()
            journal.wait(3 * number + 3)
        finally:
            journal.process.send_signal(signal.SIGTERM)
            assert journal.process.wait(30) == 0

    (lagged,) = journal.of(JournalLagged.event_id)
    assert int(lagged["MAILDROP_DROPPED"]) >= 3 * number - BACKLOG - 600
    assert len(journal.of(MessageDone.event_id)) < number
    assert peak < 60 * 1024 * 1024


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can limit inotify")
def test_where_there_is_no_inotify_the_drop_is_polled_until_there_is(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    """Said once, and taken back when the kernel allows it again."""
    limit = "/proc/sys/user/max_inotify_instances"
    none = f'echo 0 > {limit} && exec "$0" "$@"'
    daemon.within = ["unshare", "--user", "--map-root-user", "sh", "-c", none]
    daemon.configure("poll_interval = 1s\n")
    daemon.start()
    for each in range(3):
        daemon.put(f"{each}", MAIL % each)
        daemon.wait_for("MessageDone", each + 1)
    assert len(daemon.of("WatchDegraded")) == 1
    assert daemon.of("SpoolWatched") == []

    allow = ["sh", "-c", f"echo 100 > {limit}"]
    inside = ["nsenter", f"--target={daemon.pid}", "--user", "--preserve-credentials"]
    subprocess.run([*inside, *allow], check=True, timeout=30)
    (watched,) = daemon.wait_for("SpoolWatched")
    daemon.put("last", MAIL % 4)
    daemon.wait_for("MessageDone", 4)

    assert watched["MAILDROP_WATCH"] == "inotify"
    assert len(daemon.of("WatchDegraded")) == 1


def test_everything_hangs_and_the_daemon_still_stops(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    """The relay says nothing, an operator says nothing, a mail is locked."""
    server.on("dot", hang())
    path = daemon.folder / "maildropd.conf"
    path.write_text("[daemon]\ndrain_timeout = 2s\n" + path.read_text())
    daemon.start()
    (daemon.drop / "locked.lck").touch()
    daemon.put("locked", MAIL % 99)
    for number in range(10):
        daemon.put(f"{number}", MAIL % number)
    server.wait(lambda server: server.heard.count(b"DATA\r\n") >= 4)

    with sockets.connect(daemon.folder / "run" / "control", 10):
        assert daemon.stop() == 0

    server.forget()
    (daemon.drop / "locked.lck").unlink()
    daemon.start()
    daemon.control("flush")
    daemon.wait_for("MessageDone", 11)
    assert len({each.recipients for each in server.delivered}) == 11


def _entry(datagram: bytes) -> dict[str, str]:
    """Read an entry in journald's native protocol."""
    found: dict[str, str] = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + size], datagram[9 + size :]
        found[key.decode()] = value.decode()
    return found


def _peak(pid: int) -> int:
    """Return the most memory a process has had, in octets."""
    status = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) * 1024
