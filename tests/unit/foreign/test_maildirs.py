# SPDX-License-Identifier: Apache-2.0
"""Maildirs of zope.sendmail and repoze.sendmail, written and read."""

import os
import re
import stat
import time
from pathlib import Path

import pytest

from maildropd.edge.spool.directory import DropDirectory
from maildropd.foreign import busy
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.forms import Form
from maildropd.foreign.maildirs.reading import queued
from maildropd.foreign.maildirs.writing import Maildir, NotMaildir
from maildropd.foreign.queued import Queued
from tests.fakes.originals import originals

MESSAGE = b"Message-Id: <1@x>\nSubject: t\n\nbody\n"
TO = ["b@x.example", "c@x.example"]
BOTH = pytest.mark.parametrize("form", [forms.zope, forms.repoze])


def leave(path: Path, content: bytes = b"") -> Path:
    """Queue a mail; return its file."""
    letter = Maildir(path).write(content or forms.zope("a@x.example", TO, MESSAGE))
    letter.commit()
    return letter.path


def test_of_two_who_make_a_maildir_at_once_none_meets_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first mails of two threads: one transaction failed, "not a Maildir"."""
    mkdir, others = Path.mkdir, [1]

    def with_company(path: Path, made: int = 0o777) -> None:
        mkdir(path, made)
        if others.pop() if others else 0:
            leave(tmp_path / "queue")

    monkeypatch.setattr(Path, "mkdir", with_company)

    leave(tmp_path / "queue")

    assert os.listdir(tmp_path) == ["queue"]
    assert len(os.listdir(tmp_path / "queue" / "new")) == 2
    assert mode(tmp_path / "queue") == 0o700


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_mail_of_zope_sendmail_has_two_lines_before_it() -> None:
    assert forms.zope("a@x.example", TO, MESSAGE) == (
        b"X-Zope-From: a@x.example\nX-Zope-To: b@x.example, c@x.example\n" + MESSAGE
    )


def test_a_mail_of_repoze_sendmail_has_two_fields_at_the_end_of_its_header() -> None:
    assert forms.repoze("a@x.example", TO, MESSAGE) == (
        b"Message-Id: <1@x>\nSubject: t\n"
        b"X-Actually-From: =?utf-8?q?a=40x=2Eexample?=\n"
        b"X-Actually-To: =?utf-8?b?YkB4LmV4YW1wbGUsY0B4LmV4YW1wbGU=?=\n"
        b"\nbody\n"
    )


def test_a_file_of_the_originals_is_written_octet_for_octet() -> None:
    """Only where their files are at hand."""
    for file in originals("queue-files"):
        octets = file.read_bytes()
        form = forms.repoze if file.name.startswith("repoze") else forms.zope
        to = ["b@x.example", "c@x.example"]
        if form is forms.zope:
            to = [octets.split(b"\n")[1].decode().removeprefix("X-Zope-To: ")]
        (message,) = _without_envelope(octets)

        assert form("a@x.example", to, message) == octets


def _without_envelope(octets: bytes) -> list[bytes]:
    lines = octets.splitlines(keepends=True)
    return [b"".join(line for line in lines if not line.startswith(_ENVELOPE))]


_ENVELOPE = (b"X-Zope-", b"X-Actually-")


@BOTH
@pytest.mark.parametrize(
    ("sender", "to"),
    [
        ("a@x\nX-Zope-To: evil@x", ["b@x"]),
        ("a@x", ["b@x\r\nBcc: evil@x"]),
        ("a@x", ["b@x\0"]),
        ("a@x", []),
    ],
)
def test_an_address_cannot_begin_a_line_of_its_own(
    form: Form, sender: str, to: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"line end or NUL|needs a recipient"):
        form(sender, to, MESSAGE)


@BOTH
@pytest.mark.parametrize("field", [b"X-Zope-To: e@x\n", b"x-actually-to: e@x\n"])
def test_a_message_that_could_choose_its_envelope_is_not_written(
    form: Form, field: bytes
) -> None:
    """In the form whose fields they are; and where both would be read, in neither."""
    if form is forms.zope and field.startswith(b"X-Zope"):
        assert forms.zope("a@x", TO, field + MESSAGE).endswith(field + MESSAGE)
        return
    with pytest.raises(ValueError, match=r"envelope|already"):
        form("a@x", TO, field + MESSAGE)


def test_a_maildir_is_made_once_and_nothing_else_is_taken_for_one(
    tmp_path: Path,
) -> None:
    Maildir(tmp_path / "queue")
    Maildir(tmp_path / "queue")

    assert sorted(os.listdir(tmp_path / "queue")) == ["cur", "new", "tmp"]
    assert mode(tmp_path / "queue") == 0o700
    with pytest.raises(NotMaildir):
        Maildir(tmp_path)
    with pytest.raises(FileNotFoundError):
        Maildir(tmp_path / "not" / "there")


def test_a_mail_is_aside_until_it_is_let_go(tmp_path: Path) -> None:
    letter = Maildir(tmp_path / "queue").write(b"content")
    (aside,) = (tmp_path / "queue/tmp").iterdir()
    assert os.listdir(tmp_path / "queue/new") == []
    assert re.fullmatch(r"\d+\.\d+\.[^/:]+\.\d+", aside.name)
    assert mode(aside) == 0o600

    letter.commit()
    letter.commit()
    letter.abort()

    assert letter.path.read_bytes() == b"content"
    assert letter.path.name == aside.name
    assert os.listdir(tmp_path / "queue/tmp") == []


def test_a_mail_that_is_taken_back_was_never_there(tmp_path: Path) -> None:
    letter = Maildir(tmp_path / "queue").write(b"content")

    letter.abort()
    letter.abort()

    assert list((tmp_path / "queue").rglob("*.*")) == []


def test_where_the_folder_gives_its_group_the_group_may_read(tmp_path: Path) -> None:
    """Whoever set the bit has a daemon with a user of its own in that group."""
    queue = Maildir(tmp_path / "queue")
    (tmp_path / "queue/tmp").chmod(0o2770)

    letter = queue.write(b"content")
    letter.commit()

    assert mode(letter.path) == 0o640


def only(path: Path) -> Queued:
    (found,) = queued(path)
    return found


@BOTH
def test_what_is_queued_is_read(tmp_path: Path, form: Form) -> None:
    file = leave(tmp_path / "queue", form("a@x.example", TO, MESSAGE))

    assert only(tmp_path / "queue") == Queued(
        path=file,
        state="ready",
        reverse_path="a@x.example",
        recipients=tuple(TO),
        content=MESSAGE,
    )


@pytest.mark.parametrize(
    ("prefix", "age", "state"),
    [
        (".sending-", 0, "held"),
        (".sending_", 0, "held"),
        (".sending-", 10_801, "ready"),
        (".rejected-", 10_801, "held"),
        (".rejected_", 10_801, "held"),
    ],
)
def test_what_others_have_in_hand_is_told(
    tmp_path: Path, prefix: str, age: int, state: str
) -> None:
    file = leave(tmp_path / "queue")
    mark = file.with_name(prefix + file.name)
    mark.hardlink_to(file)
    then = time.time() - age
    os.utime(mark, (then, then))

    found = only(tmp_path / "queue")

    assert (found.path, found.state, found.also) == (file, state, (mark,))


def test_what_was_refused_for_good_is_held(tmp_path: Path) -> None:
    file = leave(tmp_path / "queue")
    file.rename(file.with_name(f".rejected-{file.name}"))

    found = only(tmp_path / "queue")

    assert (found.state, found.why) == ("held", "it was refused for good")
    assert found.content == MESSAGE


def test_what_was_never_finished_is_held(tmp_path: Path) -> None:
    Maildir(tmp_path / "queue").write(forms.zope("a@x", TO, MESSAGE))

    assert only(tmp_path / "queue").state == "held"


@pytest.mark.parametrize("content", [b"", b"X-Zope-From: a@x\nX-Zope-To: b@x\n", b"x"])
def test_what_is_no_mail_says_why(tmp_path: Path, content: bytes) -> None:
    file = leave(tmp_path / "queue", b"x")
    file.write_bytes(content)

    found = only(tmp_path / "queue")

    assert (found.state, found.content) == ("unreadable", content)
    assert found.why


def test_a_link_and_a_pipe_are_no_mail(tmp_path: Path) -> None:
    Maildir(tmp_path / "queue")
    (tmp_path / "queue/new/link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "queue/new/pipe")

    assert [found.state for found in queued(tmp_path / "queue")] == ["unreadable"] * 2


def test_the_oldest_comes_first_wherever_it_lies(tmp_path: Path) -> None:
    files = [leave(tmp_path / "queue") for _ in range(3)]
    moved = tmp_path / "queue/cur/seen"
    files[2].rename(moved)
    for age, file in enumerate([files[1], moved, files[0]]):
        os.utime(file, (age, age))

    found = [each.path for each in queued(tmp_path / "queue")]

    assert found == [files[1], moved, files[0]]


def test_a_folder_that_is_no_maildir_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        list(queued(tmp_path))


def test_a_maildir_that_we_serve_already_is_busy(tmp_path: Path) -> None:
    """What others send has their mark, and is held; what we send would come twice."""
    Maildir(tmp_path / "queue")
    assert busy.maildir(tmp_path / "queue") == ""

    drop = DropDirectory(tmp_path / "queue/new")
    said = busy.maildir(tmp_path / "queue")
    drop.close()

    assert "maildropd itself" in said
