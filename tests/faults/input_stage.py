# SPDX-License-Identifier: Apache-2.0
"""A real daemon, a smarthost, and what a bad file must not do to them.

One daemon serves many cases, one after the other: that the last one did no
harm is what the next one needs.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.fakes.smtp_peer import Taken
from tests.fakes.smtp_server import SmtpServer
from tests.faults.input_eyes import Eyes
from tests.integration.daemon import DaemonProcess

MB = 1024 * 1024
ROOM = 20  # MB above the idle daemon
SOON = 5.0  # seconds to the next good message
PATIENCE = 30.0  # with what is large, on a machine that does other things
GOOD = b"##To:%s\n##From:app@example.org\nSubject: good\n\nA line.\n"
# Root without its right to read everything, as a service has it.
AS_A_SERVICE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]
CONFIG = "poll_interval = 50ms\n"


class Stage:
    """The daemon, and the questions that each case asks."""

    def __init__(self, daemon: DaemonProcess, server: SmtpServer, eyes: Eyes) -> None:
        self.daemon = daemon
        self.server = server
        self.eyes = eyes
        self.drop = daemon.drop
        self.idle = memory(daemon.pid, "VmRSS")
        self._numbers = count(1)

    @contextmanager
    def bounded(self, name: str | bytes, *, reads: int = 1) -> Iterator[None]:
        """Hold everything that is promised of any bad file.

        Memory stays near the idle daemon's; while the bad thing is where it
        was left, others flow; polls neither read it again nor tell it again.
        """
        with self.lean():
            yield
            self.good()
            self.polls(1)  # what the kernel tells of the bad thing is known by then
            told, opened = self.told(name), self.eyes.opened(name)
            # Twice so often where a look finds it just before the kernel tells.
            assert opened <= 2 * reads, "it was read again and again"
            self.polls(2)
            assert self.eyes.opened(name) == opened, "a poll read it again"
            assert self.told(name) == told, "it was told again"
            assert not self.daemon.of("InternalError")

    def lean(self) -> AbstractContextManager[None]:
        """Hold that memory stays near that of the idle daemon."""
        return lean(self.daemon.pid, self.idle)

    def good(self) -> None:
        """Leave good mail; it arrives soon."""
        name, content = self._good()
        self.daemon.put(name, content)
        self.arrives(name, SOON)

    def polls(self, times: int) -> None:
        """Wait for polls: for mail that came in such a way that no event told."""
        for _ in range(times):
            name, content = self._good()
            leave_unseen(self.drop / name, content)
            self.arrives(name, SOON)

    def _good(self) -> tuple[str, bytes]:
        name = f"good{next(self._numbers)}"
        return name, GOOD % f"{name}@example.net".encode()

    def arrives(self, local_part: str, seconds: float = PATIENCE) -> Taken:
        """Wait for the mail to one recipient at the smarthost."""
        path = f"{local_part}@example.net"
        self.server.wait(lambda server: bool(_to(server, path)), seconds)
        (taken,) = _to(self.server, path)
        return taken

    def told(self, name: str | bytes) -> int:
        """Return how many events name this file."""
        return sum(each.get("MAILDROP_FILE") == shown(name) for each in self.events())

    def events(self) -> list[dict[str, str]]:
        return list(self.daemon.events)

    def event(self, kind: str, name: str | bytes) -> dict[str, str]:
        """Wait for the one event of a kind about this file."""

        def found() -> list[dict[str, str]]:
            events = self.daemon.of(kind)
            return [e for e in events if e["MAILDROP_FILE"] == shown(name)]

        self.daemon.until(lambda: bool(found()), f"{kind} of {name!r}")
        (event,) = found()
        return event

    def quarantined(self, name: str | bytes, reason: str) -> Path:
        """Wait until a file is set aside for a reason; return where it is."""
        event = self.event("MessageQuarantined", name)
        assert reason in event["MAILDROP_REASON"]
        assert not os.path.lexists(self.drop / os.fsdecode(name))
        (note,) = [
            note
            for note in (self.daemon.folder / "quarantine").glob("*.reason")
            if f"/{shown(name)}\n" in note.read_text()
        ]
        assert reason in note.read_text()
        place = note.with_suffix("")
        assert os.path.lexists(place)
        return place

    def delivered(self, name: str | bytes, local_part: str, content: bytes) -> None:
        """Wait until a mail arrived, octet by octet, and its file is gone."""
        taken = self.arrives(local_part)
        assert taken.content == content
        self.gone(name)
        assert self.told(name) == 0

    def gone(self, name: str | bytes) -> None:
        """Wait for a file to go, a few polls long."""
        for _ in range(10):
            if not os.path.lexists(self.drop / os.fsdecode(name)):
                return
            self.polls(1)
        raise AssertionError(f"{name!r} is still there")


@contextmanager
def opened(
    folder: Path, config: str = CONFIG, prepare: Callable[[Path], Any] = lambda _: None
) -> Iterator[Stage]:
    """Start a daemon on an empty folder; ``prepare`` gets its drop before."""
    with SmtpServer() as server:
        daemon = DaemonProcess(folder, server.port, config)
        daemon.within = AS_A_SERVICE
        prepare(daemon.drop)
        with Eyes(daemon.drop) as eyes:
            daemon.start()
            try:
                daemon.wait_for("SpoolWatched")
                yield Stage(daemon, server, eyes)
            finally:
                daemon.stop()


def leave_unseen(path: Path, content: bytes) -> None:
    """Let a whole file appear under a name, so that inotify tells nobody."""
    descriptor = os.open(path.parent.parent, os.O_TMPFILE | os.O_WRONLY, 0o640)
    try:
        os.write(descriptor, content)
        # Without a directory Python calls link(2), which follows nothing.
        source = f"/proc/self/fd/{descriptor}"
        os.link(source, path, src_dir_fd=descriptor, follow_symlinks=True)
    finally:
        os.close(descriptor)


def shown(name: str | bytes) -> str:
    """Return a name as events show it."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f]", lambda found: repr(found[0])[1:-1], text)


def wire(content: bytes) -> bytes:
    """Return what RFC 5321 makes of a content: CR LF, at each line's end only."""
    lines = re.split(rb"\r\n|\r|\n", content)
    return b"\r\n".join(lines if not lines[-1] else [*lines, b""])


def _to(server: SmtpServer, path: str) -> list[Taken]:
    return [taken for taken in server.delivered if path in taken.recipients]


def memory(pid: int, field: str) -> float:
    """Return a figure of a process's memory, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    assert found
    return int(found[1]) / 1024


@contextmanager
def lean(pid: int, idle: float) -> Iterator[None]:
    """Hold that a process takes little more memory than when it is idle."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    yield
    peak = memory(pid, "VmHWM") - idle
    # pytest --log-cli-level=INFO shows them all.
    logging.getLogger("faults").info("%.1f MB above %.1f MB idle", peak, idle)
    assert peak <= ROOM
