# SPDX-License-Identifier: Apache-2.0
"""What lies in the queues of nullmailer, dma and msmtp; as those write it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maildropd.foreign import busy, dma_queue, msmtp_queue, nullmailer_queue
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildirs import reading as maildirs
from maildropd.foreign.maildrophost import queue as maildrophost_queue
from maildropd.foreign.queued import Queued

MESSAGE = b"Subject: s\nTo: bob@example.net\n\nhi \xc3\xbc\n\n\nend\n"
OF_MSMTP = b"From: a@x\nBcc: c@x\nTo: b@x\n\nhi\n"


Read = Callable[[Path], Iterator[Queued]]


def by_name(mails: Iterator[Queued]) -> dict[str, Queued]:
    return {mail.path.name: mail for mail in mails}


# --- nullmailer


@pytest.fixture
def nullmailer(tmp_path: Path) -> Path:
    for name in ("queue", "failed", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_nullmailer_has_sender_and_recipients_before_the_message(
    nullmailer: Path,
) -> None:
    (nullmailer / "queue" / "1.2").write_bytes(
        b"a@example.org\nbob@example.net\nc@example.net\n\n" + MESSAGE
    )
    (nullmailer / "queue" / "1.3").write_bytes(b"\nbob@example.net\n\n" + MESSAGE)

    found = by_name(nullmailer_queue.queued(nullmailer))

    assert found["1.2"].reverse_path == "a@example.org"
    assert found["1.2"].recipients == ("bob@example.net", "c@example.net")
    assert found["1.2"].content == MESSAGE
    assert found["1.3"].reverse_path is None
    assert {mail.state for mail in found.values()} == {"ready"}


def test_what_failed_in_nullmailer_is_held(nullmailer: Path) -> None:
    (nullmailer / "failed" / "1.2").write_bytes(b"a@x\nb@x\n\nhi\n")
    (nullmailer / "tmp" / "1.3").write_bytes(b"a@x\n")

    (mail,) = nullmailer_queue.queued(nullmailer)

    assert mail.state == "held"
    assert [m.state for m in nullmailer_queue.queued(nullmailer / "queue")] == []


@pytest.mark.parametrize(
    "octets",
    [b"", b"a@x\n", b"a@x\nb@x\n", b"a@x\n\nhi\n", b"a b@x\nc@x\n\nhi\n", b"\n"],
)
def test_a_half_written_file_of_nullmailer_is_no_mail(
    nullmailer: Path, octets: bytes
) -> None:
    (nullmailer / "queue" / "1.2").write_bytes(octets)

    (mail,) = nullmailer_queue.queued(nullmailer)

    assert mail.state == "unreadable"


# --- dma


@pytest.fixture
def dma(tmp_path: Path) -> Path:
    for name, to in (("1c.a0", "bob@example.net"), ("1c.a1", "root")):
        said = f"ID: {name}\nSender: a@example.org\nRecipient: {to}\n"
        (tmp_path / f"Q{name}").write_text(said)
        (tmp_path / f"M{name}").write_bytes(MESSAGE)
    (tmp_path / "tmp_x").mkdir()
    return tmp_path


def test_dma_has_a_pair_of_files_for_each_recipient(dma: Path) -> None:
    found = by_name(dma_queue.queued(dma))

    assert set(found) == {"Q1c.a0", "Q1c.a1"}
    mail = found["Q1c.a1"]
    assert (mail.reverse_path, mail.recipients) == ("a@example.org", ("root",))
    assert mail.content == MESSAGE
    assert mail.also == (dma / "M1c.a1",)


def test_half_a_pair_of_dma_is_no_mail(dma: Path) -> None:
    (dma / "M1c.a0").unlink()
    (dma / "Q1c.a1").unlink()

    found = by_name(dma_queue.queued(dma))

    assert set(found) == {"Q1c.a0", "M1c.a1"}
    assert {mail.state for mail in found.values()} == {"unreadable"}


def test_an_envelope_of_dma_without_a_recipient_is_no_mail(dma: Path) -> None:
    (dma / "Q1c.a0").write_text("ID: 1c.a0\nSender: \n")

    assert by_name(dma_queue.queued(dma))["Q1c.a0"].why == "it says no Recipient"


def test_dma_is_busy_while_it_has_a_lock(dma: Path) -> None:
    assert dma_queue.busy(dma) == ""

    with (dma / "Q1c.a0").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        assert "Q1c.a0" in dma_queue.busy(dma)


# --- msmtp


@pytest.mark.parametrize(
    ("arguments", "sender", "recipients"),
    [
        ("-f e@x -- b@x c@x", "e@x", ("b@x", "c@x")),
        ("-oi -fe@x b@x", "e@x", ("b@x",)),
        ("--from=e@x -a work b@x", "e@x", ("b@x",)),
        ("--from e@x --read-recipients", "e@x", ("b@x", "c@x")),
        ("-ti", "a@x", ("b@x", "c@x")),
        ("b@x", "a@x", ("b@x",)),
    ],
)
def test_msmtp_has_its_arguments_beside_the_message(
    tmp_path: Path, arguments: str, sender: str, recipients: tuple[str, ...]
) -> None:
    (tmp_path / "2026-11-28-13.00.00.mail").write_bytes(OF_MSMTP)
    (tmp_path / "2026-11-28-13.00.00.msmtp").write_text(arguments + "\n")

    (mail,) = msmtp_queue.queued(tmp_path)

    assert (mail.state, mail.reverse_path, mail.recipients) == (
        *("ready", sender, recipients),
    )
    assert mail.content == b"From: a@x\nTo: b@x\n\nhi\n"
    assert [path.suffix for path in mail.also] == [".msmtp"]


def test_half_a_pair_of_msmtp_is_no_mail(tmp_path: Path) -> None:
    (tmp_path / "1.mail").write_bytes(OF_MSMTP)
    (tmp_path / "2.msmtp").write_text("b@x\n")
    (tmp_path / "3.mail").write_bytes(OF_MSMTP)
    (tmp_path / "3.msmtp").write_text("-f a@x\n")

    found = by_name(msmtp_queue.queued(tmp_path))

    assert {mail.state for mail in found.values()} == {"unreadable"}
    assert len(found) == 3


def test_msmtp_is_busy_while_there_is_a_lock(tmp_path: Path) -> None:
    assert msmtp_queue.busy(tmp_path) == ""
    (tmp_path / ".lock").mkdir()

    assert "killed" in msmtp_queue.busy(tmp_path)


# --- all


@pytest.mark.parametrize(
    "read", [nullmailer_queue.queued, dma_queue.queued, msmtp_queue.queued]
)
def test_a_folder_that_is_not_there_is_an_error(read: Read, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        list(read(tmp_path / "none"))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Q1")
    (tmp_path / "M1").touch()
    (tmp_path / "Q2").symlink_to("M1")

    found = by_name(dma_queue.queued(tmp_path))

    assert found["Q1"].why == "is not a file"
    assert found["Q2"].why == "it is a symbolic link"


def test_maildrophost_is_busy_while_its_process_runs(tmp_path: Path) -> None:
    """A number in a stale file is somebody else's by now."""
    spool = tmp_path / "spool"
    spool.mkdir()
    pid = tmp_path / "maildrop.pid"
    pid.write_text("1")
    assert busy.maildrophost(spool) == ""

    command = [sys.executable, "-c", "print(flush=True); input()", "maildrop.py"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before that it may have no name yet
        pid.write_text(str(process.pid))
        said = busy.maildrophost(spool)
        process.kill()

    assert f"process {process.pid}" in said
    assert busy.maildrophost(spool) == ""


def test_a_spool_that_our_daemon_has_is_busy(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert "maildropd itself" in busy.maildrophost(tmp_path)

    os.close(descriptor)
    assert busy.maildrophost(tmp_path) == ""


ENDLESS: dict[str, Read] = {
    "one": maildrophost_queue.queued,
    "new/one": maildirs.queued,
    "queue/one": nullmailer_queue.queued,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_file_without_end_is_told_of_and_not_read(tmp_path: Path, name: str) -> None:
    for folder in "new", "cur", "tmp", "queue":
        (tmp_path / folder).mkdir()
    path = tmp_path / name
    path.write_bytes(b"##To:a@x.example\nX-Zope-From: a@x.example\n")
    os.truncate(path, 1 << 40)

    found = list(ENDLESS[name](tmp_path))

    (one,) = [each for each in found if each.path == path]
    assert one.state == "unreadable"
    assert "larg" in one.why
