# SPDX-License-Identifier: Apache-2.0
"""What is no mail goes to the quarantine, and holds up nobody."""

import errno
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from maildropd.config.model import QueueConfig, Size
from maildropd.edge.spool import left
from maildropd.edge.spool.sight import Sight
from maildropd.mail.errors import TooLarge
from maildropd.mail.events import FileLeftAlone, MessageQuarantined
from maildropd.mail.service_events import InternalError
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.spool.stage import CONTENT, MAIL, POLL, Stage


def symlink(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.close()


def hard_link(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    other.write_bytes(MAIL)
    os.link(other, path)


def empty(path: Path) -> None:
    path.touch()


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 * 1024**3)


def no_recipient(path: Path) -> None:
    path.write_bytes(b"##To:\n##From:a@x\nSubject: x\n\n")


def marks_only(path: Path) -> None:
    path.write_bytes(b"##To:bob@x\n##From:a@x\n")


def no_colon(path: Path) -> None:
    path.write_bytes(b"##To bob@x\ntext")


def bad_address(path: Path) -> None:
    path.write_bytes(b"To: two words@x\n\ntext")


def endless_header(path: Path) -> None:
    path.write_bytes(b"To: a@x\nX: " + b"x" * 4_500_000)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (symlink, "it is a symbolic link, not a file"),
        (dangling, "it is a symbolic link, not a file"),
        (fifo, "it is a pipe, not a file"),
        (unix_socket, "it is a socket, not a file"),
        (hard_link, "it has 2 names (hard links)"),
        (empty, "it is empty"),
        (sparse, "10737418240 octets, and message_size_limit is 1000000"),
        (no_recipient, "it names no recipient"),
        (marks_only, "there is no message after the ## lines"),
        (no_colon, "a ## line has no colon: '##To bob@x'"),
        (bad_address, "in the field to: not an address: 'two words@x'"),
    ],
)
def test_what_is_no_mail_is_set_aside_with_the_reason(
    stage: Stage, make: Callable[[Path], None], reason: str
) -> None:
    make(stage.path / "odd")
    stage.write("good")

    stage.closed("odd", "good")
    assert stage.contents == [CONTENT]
    stage.rest()

    assert stage.names() == []
    (event,) = stage.journal.of(MessageQuarantined)
    assert event.reason == reason
    assert event.submitter_uid == os.getuid()
    name, note = stage.quarantined()
    assert event.quarantine == str(stage.config.quarantine / name)
    assert note == name + ".reason"
    assert reason in (stage.config.quarantine / note).read_text()


@pytest.mark.parametrize("start", [b"##To:", b"From: a@x\nBcc: "])
def test_more_recipients_than_the_limit_are_set_aside(
    stage: Stage, start: bytes
) -> None:
    """Also of the same one: to read a million takes its time."""
    stage.limits = QueueConfig(recipient_limit=3)
    stage.restart()
    stage.write("many", start + b"b@x, c@x, <b@x>, b@x\n\ntext")
    stage.write("few", start + b"b@x, c@x, <b@x>\n\ntext")

    stage.rest()

    (taken,) = stage.store.taken
    assert taken.recipients == ("b@x", "c@x")
    (event,) = stage.journal.of(MessageQuarantined)
    assert event.file == "many"
    assert (
        event.reason == "it names more than 3 recipients (recipient_limit in [queue])"
    )


def test_a_header_without_end_is_set_aside(stage: Stage) -> None:
    stage.limits = QueueConfig(message_size_limit=Size(10_000_000))
    stage.restart()
    endless_header(stage.path / "odd")

    stage.rest()

    (event,) = stage.journal.of(MessageQuarantined)
    assert event.reason == "its header is larger than 4194304 octets"


def test_what_the_store_refuses_for_good_is_set_aside(stage: Stage) -> None:
    stage.store.troubles.append(TooLarge("larger than 5 octets"))
    stage.store.troubles.append(TooLarge("larger than 5 octets"))
    stage.write("large")

    stage.closed("large")
    stage.rest()

    (event,) = stage.journal.of(MessageQuarantined)
    assert event.reason == "larger than 5 octets"


def test_a_file_we_may_not_read_is_set_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def closed(path: Any, *args: Any, **more: Any) -> int:
        if path == b"private":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **more)

    stage.write("private")
    stage.run()
    monkeypatch.setattr(os, "open", closed)

    stage.rest()

    (event,) = stage.journal.of(MessageQuarantined)
    assert "it cannot be read (Permission denied)" in event.reason


def test_a_directory_is_left_alone_and_told_once(stage: Stage) -> None:
    (stage.path / "folder").mkdir()

    for _ in range(3):
        stage.rest(POLL)
        (stage.path / "folder" / "x").touch()
    stage.closed("folder")

    (event,) = stage.journal.of(FileLeftAlone)
    assert event.file == "folder"
    (stage.path / "folder" / "x").unlink()
    (stage.path / "folder").rmdir()
    stage.rest(POLL)
    stage.rest(POLL)
    (stage.path / "folder").mkdir()
    stage.rest(POLL)
    assert len(stage.journal.of(FileLeftAlone)) == 2


def test_a_flood_of_directories_fills_neither_memory_nor_log(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left, "_MOST", 10)
    for number in range(30):
        (stage.path / f"folder{number}").mkdir()
    stage.write("mail")

    for _ in range(3):
        stage.rest(POLL)

    assert len(stage.contents) == 1
    assert len(stage.pickup._taker._left._known) == 10
    events = stage.journal.of(FileLeftAlone)
    assert len(events) == 11
    assert "more than 10 others" in events[-1].reason


def test_without_a_quarantine_a_file_is_told_once_and_not_read_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config.quarantine.write_bytes(b"in the way")
    stage.write("odd", b"no mail")
    stage.rest()

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", lambda *_: pytest.fail("it was read again"))
        stage.rest(POLL)
        stage.rest(POLL)

    (event,) = stage.journal.of(FileLeftAlone)
    assert "line 1 is no header field" in event.reason
    assert "cannot be set aside" in event.reason
    assert stage.names() == ["odd"]


def test_a_file_left_alone_goes_to_the_quarantine_once_there_is_one(
    stage: Stage,
) -> None:
    stage.config.quarantine.write_bytes(b"in the way")
    stage.write("odd", b"no mail")
    stage.rest()
    stage.config.quarantine.unlink()

    stage.rest(timedelta(minutes=5))

    assert len(stage.quarantined()) == 2
    assert stage.names() == []


def test_a_new_mode_is_reason_to_look_again(stage: Stage) -> None:
    stage.config.quarantine.write_bytes(b"in the way")
    path = stage.write("odd", b"no mail")
    stage.rest()
    stage.config.quarantine.unlink()

    path.chmod(0o640)
    stage.rest(POLL)

    assert stage.names() == []


def test_a_file_left_alone_is_taken_once_it_is_put_right(stage: Stage) -> None:
    stage.config.quarantine.write_bytes(b"in the way")
    stage.write("odd", b"no mail")
    stage.rest()

    stage.write("odd", MAIL)
    stage.closed("odd")

    assert stage.contents == [CONTENT]


MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no file system that takes any time")
@pytest.mark.parametrize("seconds", [10**12, 10**15, -(10**15)])
def test_a_file_from_beyond_all_calendars_stops_no_spool(seconds: int) -> None:
    """``touch -d @1000000000000`` ended the thread, where a file system takes that."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        stage = Stage(Path(folder))
        times = (seconds, seconds)
        os.utime(stage.write("odd", b"no mail"), times)
        os.utime(stage.write("good"), times)

        stage.rest()
        stage.rest()

        assert stage.contents == [CONTENT]
        assert stage.names() == []
        (reason,) = stage.config.quarantine.glob("*.reason")
        assert f"change:  {seconds} seconds from 1970" in reason.read_text()
        assert stage.journal.of(InternalError) == []
        stage.close()


def test_of_a_file_that_stays_is_told_once_though_the_kernel_is_late(
    tmp_path: Path,
) -> None:
    """A poll has met it already when its writer's end is reported."""
    (tmp_path / "bad").write_bytes(b"no mail\n")
    journal = FakeJournal()
    alone = left.LeftAlone("drop", journal, FakeClock())
    sight = Sight(b"bad", (tmp_path / "bad").stat())
    alone.tell(sight, "it cannot be set aside")
    alone.rest(sight)
    assert alone.rests(sight)

    alone.forget(b"bad")

    assert not alone.rests(sight)
    alone.tell(sight, "it cannot be set aside")
    assert len(journal.of(FileLeftAlone)) == 1
    (tmp_path / "bad").write_bytes(b"no mail either\n")
    alone.tell(Sight(b"bad", (tmp_path / "bad").stat()), "it cannot be set aside")
    assert len(journal.of(FileLeftAlone)) == 2
