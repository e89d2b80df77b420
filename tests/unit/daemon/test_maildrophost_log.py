# SPDX-License-Identifier: Apache-2.0
"""The log in MaildropHost's form: its words, its bursts, and trouble with it."""

import errno
import json
import os
import re
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from maildropd.daemon import maildrophost_log
from maildropd.daemon.maildrophost_lines import finished, lines, started
from maildropd.daemon.maildrophost_log import BACKLOG, Copying, MaildropHostLog
from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event
from maildropd.mail.events import (
    MessageDone,
    RecipientDeferred,
    RecipientDelivered,
    RecipientExpired,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.host_events import ForeignLogFailed
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import RouteAlarm, RouteFailed
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

AT = datetime(2026, 11, 21, 4, 25, 0, tzinfo=UTC)
FIXTURES = Path(__file__).resolve().parents[4] / "shared/fixtures/maildrophost"
QUIET = timedelta(seconds=0.05)


def delivered(to: str, queue_id: str = "3Q0T8N5ZK1VD") -> RecipientDelivered:
    return RecipientDelivered(**_told(to, "250 2.0.0 ok", queue_id))


def failed(to: str, reply: str) -> RecipientFailed:
    return RecipientFailed(**_told(to, reply))


def deferred(to: str, reply: str) -> RecipientDeferred:
    return RecipientDeferred(**_told(to, reply), retry_in=timedelta(minutes=5))


def _told(to: str, reply: str, queue_id: str = "3Q0T8N5ZK1VD") -> dict[str, Any]:
    code, _, text = reply.partition(" ")
    return {
        "queue_id": QueueId(queue_id),
        "recipient": to,
        "relay": "mail.example.net:25",
        "delay": timedelta(seconds=1),
        "reply": Reply.parse(int(code), text),
        "attempt": 1,
    }


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([delivered("a@x"), delivered("b@x")], "\nOK\t a@x,b@x"),
        (
            [failed("r@x", "550 no"), failed("s@x", "551 5.1.1")],
            "\n('FATAL: ', \"{'r@x': (550, 'no'), 's@x': (551, '5.1.1 ')}\")\t r@x,s@x",
        ),
        (
            [RecipientExpired(**_told("r@x", "451 later"))],
            "\n('FATAL: ', \"{'r@x': (451, 'later')}\")\t r@x",
        ),
        ([deferred("r@x", "554 spam")], "\n('BAD: ', \"(554, 'spam')\")\t r@x"),
        (
            [RecipientInDoubt(**_told("r@x", "451 lost"), retry_in=timedelta(0))],
            "\n('BAD: ', \"(451, 'lost')\")\t r@x",
        ),
        (
            [deferred("a@x", "451 a"), delivered("b@x"), deferred("c@x", "451 a")],
            "\n('BAD: ', \"(451, 'a')\")\t a@x,c@x\nOK\t b@x",
        ),
        (
            [delivered("a@x"), delivered("b@x", "3Q0T8N5ZK1VE")],
            "\nOK\t a@x\nOK\t b@x",
        ),
        ([MessageDone(queue_id=QueueId("3Q0T8N5ZK1VD"))], ""),
        ([deferred("J\u00f6rg@x", "451 \u00e9")], None),
    ],
)
def test_outcomes_have_the_words_of_that_log(
    events: list[Event], said: str | None
) -> None:
    found = lines(events, AT)

    assert said is None or found == said
    assert found.count("\n") == len(found.splitlines()) - bool(found)


def _route(kind: type[RouteFailed | RouteAlarm], reply: Reply) -> Event:
    return kind(relay="x:25", reply=reply, retry_in=timedelta(seconds=9))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (_route(RouteFailed, Reply(451, "4.4.1")), "Connection error"),
        (_route(RouteFailed, Reply(451, "4.7.4")), "TLS unavailable"),
        (_route(RouteAlarm, Reply(535, "5.7.8")), "Authentication failed"),
        (_route(RouteAlarm, Reply(554, "5.7.1")), "Connection error"),
    ],
)
def test_trouble_with_the_server_has_a_line(event: Event, said: str) -> None:
    assert re.fullmatch(rf"\n!!!!! {said} at [0-9/]+ [0-9:]+", lines([event], AT))


def test_a_run_looks_as_maildrophost_wrote_it() -> None:
    """Its own logs, too, where they are here: line by line they are of one form."""
    ours = started(AT) + lines([delivered("r@x"), failed("r@x", "550 no")], AT)
    logs = [ours + finished(AT)]
    oracle = FIXTURES / "oracle.json"
    if oracle.exists():
        logs += [case["log_file"] for case in json.loads(oracle.read_text())]

    form = re.compile(
        r"|### Started at \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\.\."
        r"|### Finished at \d{4}/\d\d/\d\d \d\d:\d\d:\d\d"
        r"|(OK|\('(FATAL|BAD): ', [\"'].*[\"']\))\t .*"
    )
    for log in logs:
        assert [line for line in log.split("\n") if not form.fullmatch(line)] == []


def _log(path: Path, journal: FakeJournal) -> MaildropHostLog:
    return MaildropHostLog(path, journal, FakeClock(), QUIET)


def test_each_burst_is_a_run_and_the_file_is_closed_after_it(tmp_path: Path) -> None:
    """Rotating it needs no signal: the next burst makes a new file."""
    path, journal = tmp_path / "maildrop.log", FakeJournal()
    for number in range(2):
        with closing(_log(path, journal)) as log:
            log.take(delivered("a@x"))
            log.take(MessageDone(queue_id=QueueId("3Q0T8N5ZK1VD")))
        path.rename(tmp_path / f"maildrop.log.{number}")

    for number in range(2):
        said = (tmp_path / f"maildrop.log.{number}").read_text()
        assert re.fullmatch(r"\n### St[^\n]*\nOK\t a@x\n### Fin[^\n]*\n", said)
    assert journal.events == []


def test_it_is_readable_for_the_group_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "maildrop.log"
    before = os.umask(0o077)
    try:
        with closing(_log(path, FakeJournal())) as log:
            log.take(delivered("a@x"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_cannot_be_written_is_told_once_and_again_after_it_worked(
    tmp_path: Path,
) -> None:
    path, journal = tmp_path / "var" / "maildrop.log", FakeJournal()
    with closing(_log(path, journal)) as log:
        log.take(delivered("a@x"))
        assert [e.reason for e in journal.wait_for(ForeignLogFailed)] == [
            "No such file or directory"
        ]
        log._burst()
        path.parent.mkdir()
        log._burst()
        path.unlink()
        path.parent.rmdir()
        log._burst()

    assert len(journal.of(ForeignLogFailed)) == 2


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_a_plain_file_is_written_to(tmp_path: Path, kind: str) -> None:
    path, journal = tmp_path / "maildrop.log", FakeJournal()
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()

    with closing(_log(path, journal)) as log:
        log.take(delivered("a@x"))

    assert len(journal.of(ForeignLogFailed)) == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, journal = tmp_path / "maildrop.log", FakeJournal()
    path.write_text("kept\n")

    class FullAfterHalf:
        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def write(self, descriptor: int, octets: bytes) -> int:
            if os.fstat(descriptor).st_size > 5:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.write(descriptor, octets[:7])

    monkeypatch.setattr(maildrophost_log, "os", FullAfterHalf())
    with closing(_log(path, journal)) as log:
        log.take(delivered("a@x"))

    assert path.read_text() == "kept\n"
    assert [e.reason for e in journal.of(ForeignLogFailed)] == [
        "No space left on device"
    ]


def test_beyond_a_bound_outcomes_are_counted_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs may cost no memory and no time of those who deliver."""
    path, journal = tmp_path / "maildrop.log", FakeJournal()
    log = _log(path, journal)
    monkeypatch.setattr(log, "_begin", lambda: None)  # the disk hangs
    for _ in range(BACKLOG + 3):
        log.take(delivered("a@x"))
    log._burst()

    assert [e.reason for e in journal.of(ForeignLogFailed)] == [
        "it is too slow, 3 outcomes are missing"
    ]


def test_without_a_thread_to_be_had_an_outcome_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host had no threads left: what was delivered was not said anywhere."""
    path, refusals, start = tmp_path / "maildrop.log", count(1), threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "maildrophost-log" and next(refusals) == 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with closing(_log(path, FakeJournal())) as log:
        log.take(delivered("a@x"))
        log.take(delivered("b@x", "3Q0T8N5ZK1VE"))

    said = path.read_text()
    assert "OK\t a@x" in said
    assert "OK\t b@x" in said


def test_an_event_goes_to_both_logs(tmp_path: Path) -> None:
    class Patient(FakeJournal):
        def catch_up(self) -> bool:
            return False

    path, journal = tmp_path / "maildrop.log", Patient()
    with closing(_log(path, journal)) as log:
        copying = Copying(journal, log)
        copying.emit(delivered("a@x"))

        assert copying.catch_up() is False
    assert len(journal.events) == 1
    assert "OK\t a@x" in path.read_text()
