# SPDX-License-Identifier: Apache-2.0
"""The spool of MaildropHost, written and read."""

import errno
import os
import stat
from pathlib import Path

import pytest

from maildropd.edge.spool import maildrophost
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost import spool
from maildropd.foreign.maildrophost.queue import queued
from maildropd.foreign.maildrophost.spool import (
    Left,
    formed,
    leave,
    leave_locked,
    unlocked,
)
from maildropd.mail.errors import Malformed

MESSAGE = b"Subject: t\r\n\r\n##text\r\n.\r\n"


@pytest.mark.parametrize(
    ("sender", "recipients", "lines"),
    [
        ("a@x", ["b@x", "c@x"], b"##To:b@x,c@x\n##From:a@x\n"),
        ("a@x", "B <b@x>, c@x", b"##To:B <b@x>, c@x\n##From:a@x\n"),
        (None, ("b@x",), b"##To:b@x\n##From:\n"),
        ("a@x\r\n##To:evil@x", "b@x,\n c@x", b"##To:b@x, c@x\n##From:a@x##To:evil@x\n"),
        (
            "\u00e9@x",
            "J\u00f6rg <b@x>",
            "##To:J\u00f6rg <b@x>\n##From:\u00e9@x\n".encode(),
        ),
    ],
)
def test_line_ends_in_an_address_begin_no_other_line(
    sender: str | None, recipients: str | list[str], lines: bytes
) -> None:
    assert formed(sender, recipients, MESSAGE) == lines + MESSAGE


def test_what_is_written_is_read_octet_by_octet() -> None:
    draft = maildrophost.read(formed("a@x", ["b@x"], MESSAGE), 10)

    assert (draft.reverse_path, draft.recipients) == ("a@x", ("b@x",))
    assert b"".join(draft.content) == MESSAGE


@pytest.mark.parametrize("message", [b"##X: y\n\nbody", b"##", b"", b" \r\n"])
def test_a_message_that_would_not_come_out_again_is_refused(message: bytes) -> None:
    """MaildropHost took its first lines for its own, and sent the rest."""
    with pytest.raises(Malformed):
        formed("a@x", "b@x", message)


def test_an_address_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Malformed):
        formed("\udcff@x", "b@x", MESSAGE)


def test_a_mail_is_left_under_a_number_closed_to_others(tmp_path: Path) -> None:
    path = leave(tmp_path, b"##To:a@x\n##From:\n\nhi")

    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert 100_000 <= int(path.name) <= 9_999_999
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert path.read_bytes().endswith(b"hi")


def test_a_locked_mail_is_nobodys_until_it_is_released(tmp_path: Path) -> None:
    left = leave_locked(tmp_path, b"##To:a@x\n\nhi")

    assert left.lock.read_bytes() == b"locked"
    assert unlocked(os.listdir(tmp_path)) == []

    left.release()
    left.release()
    assert unlocked(os.listdir(tmp_path)) == [left.path.name]


def test_what_is_taken_back_goes_before_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MaildropHost removed the lock first: mail of an aborted request could go."""
    left, gone = leave_locked(tmp_path, b"##To:a@x\n\nhi"), list[Path]()

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def unlink(self, path: Path) -> None:
            gone.append(path)
            os.unlink(path)

    monkeypatch.setattr(spool, "os", Watched())
    left.remove()
    Left(left.path).remove()

    assert gone[:2] == [left.path, left.lock]
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_or_locked_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MaildropHost looked first and opened then: two programs, one mail."""
    monkeypatch.setattr(spool, "_LAST", 100_002)
    (tmp_path / "100000").write_bytes(b"another's")
    (tmp_path / "100001.lck").write_bytes(b"locked")

    assert leave(tmp_path, b"mine").name == "100002"
    with pytest.raises(FileExistsError, match="no free name"):
        leave(tmp_path, b"mine")

    assert (tmp_path / "100000").read_bytes() == b"another's"
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_leaves_neither_mail_nor_lock(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __getattr__(self, name: str) -> object:
            return self.fail if name == call else getattr(os, name)

        def fail(self, *_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool, "os", Full())
    if call == "write":
        monkeypatch.setattr(spool, "_fill", Full().fail)
    with pytest.raises(OSError, match="No space left"):
        leave(tmp_path, b"##To:a@x\n\nhi")

    assert os.listdir(tmp_path) == []


def test_a_queue_is_told_mail_by_mail_and_nothing_is_touched(tmp_path: Path) -> None:
    for age, (name, content) in enumerate(
        [
            ("1", b"##To:a@x, b@x\n##From:s@x\nSubject: 1\n\n1\n"),
            ("2", b"##To:a@x\nSubject: 2\n\n2\n"),
            ("2.lck", b"locked"),
            ("3", b"##To:a@x\n##junk\n\n"),
            ("4", b"##To:\n##From:s@x\n\nx"),
            ("README", b"not a mail\n"),
            ("5", b"##To:a@x\n##From:s@x\n"),
            ("6.lck", b"locked"),
        ]
    ):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "1")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))

    found = {each.path.name: each for each in queued(tmp_path)}

    assert sorted(os.listdir(tmp_path)) == before
    assert {name: each.state for name, each in found.items()} == {
        "1": "ready",
        "2": "held",
        "3": "unreadable",
        "4": "unreadable",
        "README": "unreadable",
        "5": "unreadable",
        "link": "unreadable",
        "pipe": "unreadable",
    }
    assert list(found)[:3] == ["1", "2", "3"]
    assert found["1"].recipients == ("a@x", "b@x")
    assert found["1"].reverse_path == "s@x"
    assert found["1"].content == b"Subject: 1\n\n1\n"
    assert found["2"].also == (tmp_path / "2.lck",)
    assert found["README"].content == b"not a mail\n"
    assert "symbolic link" in found["link"].why


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        list(queued(tmp_path / "missing"))
