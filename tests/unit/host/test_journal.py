# SPDX-License-Identifier: Apache-2.0
"""Lines on standard error and to a syslog, and which journal is chosen."""

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from maildropd.host import journald, stream
from maildropd.host.journal import BACKLOG, EventJournal, open_journal
from maildropd.host.stream import Stream, Syslog, as_json, as_text
from maildropd.mail.event import Event
from maildropd.mail.events import FileLeftAlone
from maildropd.mail.service_events import JournalLagged, ServiceStopped
from tests.fakes.clock import FakeClock

STOPPED = ServiceStopped(queued=3)
FORGED = FileLeftAlone(spool="drop", file="x\nforged", reason="no")


@dataclass
class MoodySink:
    """Takes events when it likes to."""

    willing: bool = True
    taken: list[Event] = field(default_factory=list)

    def close(self) -> None:
        pass

    def __call__(self, event: Event) -> bool:
        if self.willing:
            self.taken.append(event)
        return self.willing


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_cannot_be_written_now_is_written_later_and_in_order() -> None:
    """The whole life of a message is in the journal, also after a burst."""
    sink = MoodySink(willing=False)
    journal = EventJournal(sink)
    journal.emit(STOPPED)
    journal.emit(FORGED)

    sink.willing = True
    journal.emit(STOPPED)

    assert sink.taken == [STOPPED, FORGED, STOPPED]


def test_a_quiet_journal_can_be_told_to_catch_up() -> None:
    sink = MoodySink(willing=False)
    journal = EventJournal(sink)
    journal.emit(STOPPED)
    assert not journal.catch_up()

    sink.willing = True

    assert journal.catch_up()
    assert sink.taken == [STOPPED]


def test_what_still_waits_is_written_before_the_end() -> None:
    sink = MoodySink(willing=False)
    journal = EventJournal(sink)
    journal.emit(STOPPED)
    sink.willing = True

    journal.close()

    assert sink.taken == [STOPPED]


def test_the_end_does_not_wait_for_a_journal_that_is_gone() -> None:
    sink = MoodySink(willing=False)
    journal = EventJournal(sink)
    journal.emit(STOPPED)

    journal.close()

    assert sink.taken == []


def test_beyond_the_backlog_events_are_counted_and_the_count_is_told_once() -> None:
    """Memory is bounded, whatever the journal does."""
    sink = MoodySink(willing=False)
    journal = EventJournal(sink)
    for _ in range(BACKLOG + 2):
        journal.emit(STOPPED)

    sink.willing = True
    journal.emit(FORGED)
    journal.emit(FORGED)

    assert sink.taken[:BACKLOG] == [STOPPED] * BACKLOG
    assert sink.taken[BACKLOG:] == [JournalLagged(dropped=3), FORGED]


def test_a_text_line_has_time_and_text(pipe: tuple[int, int]) -> None:
    assert Stream(pipe[1], as_text, FakeClock())(STOPPED)

    line = os.read(pipe[0], 4096)

    assert line == b"2026-01-02T03:04:05.000Z stopped, 3 recipients queued\n"


def test_a_json_line_has_the_fields_of_the_journal(pipe: tuple[int, int]) -> None:
    assert Stream(pipe[1], as_json, FakeClock())(STOPPED)

    entry = json.loads(os.read(pipe[0], 4096))

    assert entry["TIME"] == "2026-01-02T03:04:05.000Z"
    assert entry["MESSAGE_ID"] == ServiceStopped.event_id
    assert entry["MAILDROP_QUEUED"] == "3"


@pytest.mark.parametrize("form", [as_text, as_json])
def test_a_file_name_cannot_add_a_line(
    form: stream.Form, pipe: tuple[int, int]
) -> None:
    Stream(pipe[1], form, FakeClock())(FORGED)

    assert os.read(pipe[0], 4096).count(b"\n") == 1


def test_a_pipe_that_nobody_reads_stops_nobody(pipe: tuple[int, int]) -> None:
    sink = Stream(pipe[1], as_text, FakeClock())

    written = 0
    while sink(STOPPED):
        written += 1

    assert written > 1000


class Looking:
    """A poll that gives room to all who look at the same time."""

    def __init__(self, both: threading.Barrier) -> None:
        self._poll, self._both = select.poll(), both

    def register(self, descriptor: int, events: int) -> None:
        self._poll.register(descriptor, events)

    def poll(self, milliseconds: int) -> list[tuple[int, int]]:
        found = self._poll.poll(milliseconds)
        with suppress(threading.BrokenBarrierError):
            self._both.wait(0.3)
        return found


def test_a_pipe_that_nobody_reads_stops_no_two_who_write_at_once(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found room for one; the second waited for a reader, with all its mail."""
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    both = threading.Barrier(2)
    looks = SimpleNamespace(POLLOUT=select.POLLOUT, poll=lambda: Looking(both))
    monkeypatch.setattr(stream, "select", looks)
    sink = Stream(pipe[1], lambda _, __: "x" * 3000, FakeClock())
    written: list[bool] = []
    threads = [
        threading.Thread(target=lambda: written.append(sink(STOPPED)), daemon=True)
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert sorted(written) == [False, True]


def test_a_pipe_without_a_reader_stops_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    assert not Stream(writer, as_text, FakeClock())(STOPPED)
    os.close(writer)


def test_syslog_gets_facility_mail_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("log")

        with closing(Syslog(FakeClock(), "log")) as syslog:
            assert syslog(FORGED)

        line = log.recv(4096).decode("ascii")
    assert line.startswith("<20>Jan  2 ")
    assert f" maildropd[{os.getpid()}]: spool drop: x\\nforged: left alone" in line


def test_a_syslog_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    with closing(Syslog(FakeClock(), str(tmp_path / "log"))) as syslog:
        assert not syslog(STOPPED)


def _sink(asked: str | None) -> object:
    with closing(open_journal(asked)) as journal:
        return journal._sink


@pytest.mark.parametrize(
    ("asked", "kind"),
    [("journal", journald.Journald), ("text", Stream), ("json", Stream)],
)
def test_the_format_that_was_asked_for_is_taken(asked: str, kind: type) -> None:
    assert isinstance(_sink(asked), kind)


def test_the_journal_is_taken_when_it_reads_our_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")

    assert isinstance(_sink(None), journald.Journald)


@pytest.mark.parametrize("stream_of", [None, "", "1:1", "nonsense"])
def test_text_is_taken_when_stderr_leads_elsewhere(
    stream_of: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service's shell redirected stderr: its JOURNAL_STREAM is not ours."""
    if stream_of is None:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    else:
        monkeypatch.setenv("JOURNAL_STREAM", stream_of)

    assert isinstance(_sink(None), Stream)


CHOICE = """
import sys
from contextlib import closing, suppress
from maildropd.host import journald
from maildropd.host.journal import open_journal
journald.SOCKET = sys.argv[1]
with closing(open_journal(None, detached=True)) as journal:
    print(type(journal._sink).__name__)
"""


@pytest.mark.parametrize(
    ("stderr", "socket_of_journald", "kind"),
    [
        (subprocess.DEVNULL, "/dev/null", "Journald"),
        (subprocess.DEVNULL, "/nowhere", "Syslog"),
        (subprocess.PIPE, "/dev/null", "Stream"),
    ],
)
def test_a_detached_daemon_writes_where_somebody_reads(
    stderr: int, socket_of_journald: str, kind: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "JOURNAL_STREAM"}

    done = subprocess.run(
        [sys.executable, "-c", CHOICE, socket_of_journald],
        cwd=Path(__file__).parents[3],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=True,
    )

    assert done.stdout == f"{kind}\n"
