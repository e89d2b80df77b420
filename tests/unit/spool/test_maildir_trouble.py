# SPDX-License-Identifier: Apache-2.0
"""A Maildir in which something is wrong, and what a spool does for all its mail."""

import errno
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maildropd.mail.events import FileLeftAlone, MessageQuarantined
from tests.unit.spool.maildirs import CONTENT, NAME, ZOPE, aged, linked
from tests.unit.spool.stage import POLL, Stage


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"X-Zope-From: a@x.example\nSubject: hi\n\nhello\n", "X-Zope-To is missing"),
        (b"X-Zope-From: a@x.example\nX-Zope-To: \n" + CONTENT, "names no recipient"),
        (b"X-Zope-From: a@x.example\nX-Zope-To: b@x.example\n", "no message"),
        (b"Subject: hi\n\nhello\n", "names no recipient"),
        (b"", "empty"),
    ],
)
def test_what_is_no_mail_is_set_aside_with_its_reason(
    queue: Stage, content: bytes, reason: str
) -> None:
    queue.write(NAME, content)

    queue.rest()

    (event,) = queue.journal.of(MessageQuarantined)
    assert reason in event.reason
    assert queue.names() == []
    assert queue.contents == []


def test_a_link_and_a_pipe_are_set_aside_and_a_folder_is_left(queue: Stage) -> None:
    (queue.path / "link").symlink_to("/etc/passwd")
    os.mkfifo(queue.path / "pipe")
    (queue.path / "folder").mkdir()
    queue.write(NAME, ZOPE)

    queue.rest()

    assert queue.contents == [CONTENT]
    assert queue.names() == ["folder"]
    assert len(queue.journal.of(MessageQuarantined)) == 2


def test_a_file_without_end_is_set_aside_unread(queue: Stage) -> None:
    """To read a terabyte of nothing, for its key, would take an hour."""
    queue.write(NAME, ZOPE)
    os.truncate(queue.path / NAME, 1 << 40)

    queue.rest()

    (event,) = queue.journal.of(MessageQuarantined)
    assert "message_size_limit" in event.reason
    assert queue.contents == []


def test_a_spool_may_hold_its_mail_and_give_it_return_addresses(queue: Stage) -> None:
    queue.restart(hold=True, verp=True)
    queue.write(NAME, ZOPE)

    queue.closed(NAME)

    (taken,) = queue.store.taken
    assert taken.hold
    assert taken.verp == "+="


def test_a_bounce_has_no_return_address(queue: Stage) -> None:
    queue.restart(verp=True)
    queue.write(NAME, ZOPE.replace(b"a@x.example", b""))

    queue.closed(NAME)

    (taken,) = queue.store.taken
    assert (taken.reverse_path, taken.verp) == (None, "")


def test_a_time_from_the_future_does_not_keep_a_mark_for_ever(queue: Stage) -> None:
    mark = linked(queue, ".sending-")
    future = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
    os.utime(mark, (future, future))
    queue.run()

    queue.rest(timedelta(hours=3))
    queue.rest()

    assert queue.contents == [CONTENT]


def test_what_a_writer_left_half_way_is_set_aside_after_a_day_and_a_half(
    queue: Stage,
) -> None:
    tmp = queue.path.with_name("tmp")
    tmp.mkdir()
    (tmp / "old").write_bytes(ZOPE)
    (tmp / "young").write_bytes(ZOPE)
    aged(tmp / "old", queue, timedelta(hours=36))
    aged(tmp / "young", queue, timedelta(hours=34))

    queue.rest()
    queue.rest(timedelta(hours=1))

    (event,) = queue.journal.of(MessageQuarantined)
    assert "left in tmp for 1 days" in event.reason
    assert os.listdir(tmp) == ["young"]
    assert queue.contents == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_mail_that_we_may_not_read_stays_for_those_who_may(
    queue: Stage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Their writers make files of mode 0600, and their senders can read them."""
    with monkeypatch.context() as closed:
        refuse(closed, number, NAME)
        queue.write(NAME, ZOPE)
        queue.rest()
        assert queue.names() == [NAME]
    (event,) = queue.journal.of(FileLeftAlone)
    assert "0640 is enough" in event.reason

    (queue.path / NAME).chmod(0o640)
    queue.rest(POLL)

    assert queue.contents == [CONTENT]


def test_what_is_stored_and_cannot_be_removed_stays_ours(
    queue: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our mark, somebody else would send it, too."""
    with monkeypatch.context() as stuck:
        removed = os.unlink

        def unlink(path: Any, **where: Any) -> None:
            if path == os.fsencode(NAME):
                raise PermissionError(errno.EPERM, "Operation not permitted")
            removed(path, **where)

        stuck.setattr(os, "unlink", unlink)
        queue.write(NAME, ZOPE)
        queue.rest()
        queue.rest(POLL)
        queue.rest(timedelta(minutes=5))
        assert queue.names() == [f".sending-{NAME}", NAME]

    queue.rest(timedelta(minutes=10))

    assert queue.names() == []
    assert queue.contents == [CONTENT]


def test_a_disk_without_room_for_a_mark_leaves_the_mail_where_it_is(
    queue: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        refuse(full, errno.ENOSPC, f".sending-{NAME}")
        queue.write(NAME, ZOPE)
        queue.rest()
        assert queue.names() == [NAME]
    assert len(queue.journal.of(FileLeftAlone)) == 1

    queue.rest(timedelta(minutes=5))

    assert queue.contents == [CONTENT]


def refuse(patch: pytest.MonkeyPatch, number: int, refused: str) -> None:
    """Let the kernel refuse to open one name."""
    opened = os.open

    def refusing(path: Any, *how: Any, **where: Any) -> int:
        if path == os.fsencode(refused):
            raise OSError(number, os.strerror(number))
        return opened(path, *how, **where)

    patch.setattr(os, "open", refusing)
