# SPDX-License-Identifier: Apache-2.0
"""Arguments and standard input come to the daemon as they are."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.sendmail_daemon import Caller, answer, answer_early
from tests.integration.clients.stage import MAIL, Stage
from tests.integration.clients.twins import environment

NOT_READ: Sequence[tuple[str, ...]] = (
    ("mailq",),
    ("newaliases",),
    ("mailq", "-bm"),
    ("sendmail", "-bp"),
    ("sendmail", "-bi"),
    ("sendmail", "-bv", "bob"),
    ("sendmail", "-bd"),
    ("sendmail", "-bD"),
    ("sendmail", "-bt"),
    ("sendmail", "-bh"),
    ("sendmail", "-bH"),
    ("sendmail", "-q"),
    ("sendmail", "-q30m"),
    ("sendmail", "-qRbob"),
    ("sendmail", "-I"),
    ("sendmail", "-i", "-t", "-vbp"),
    ("sendmail", "-bm", "-bp"),
    ("sendmail", "-oi", "-f", "a@example.org", "-bp"),
    ("sendmail", "-fa@example.org", "-bp"),
)
READ: Sequence[tuple[str, ...]] = (
    (),
    ("bob@example.net",),
    ("-t",),
    ("-bm",),
    ("-bp", "-bm"),
    ("-bp", "-ba"),
    ("-oi", "-oem", "bob"),
    *((f"-{letter}", "-bp", "bob") for letter in "fFrBCDhLNOopRVX"),
    ("-F", "-bs", "bob"),
    ("-tif", "-bs"),
    ("-iF", "-q", "bob"),
    ("-ti", "-v", "-G"),
    ("-f",),
    ("--", "-bp"),
    ("--", "-bs"),
    ("--", "-q"),
    # The first word that is no option ends the options, as in getopt(3).
    ("bob", "-bp"),
    ("-i", "bob", "-bs"),
    ("bob", "-q"),
    ("-", "-bp"),
    ("", "-bp"),
)
CONTENTS = (
    b"",
    b"\n",
    MAIL,
    b"no line end",
    b"one\r\ntwo\rthree\n",
    b"\0\0\0 and \0",
    b".\n",
    b"0\n",
    b"5\nhello0\n",
    b"#!sendmail\0",
    bytes(range(256)) * 1000,
)
WORDS: Sequence[tuple[bytes, ...]] = (
    (b"",),
    (b"", b"", b"bob"),
    (b"\xff\xfe@example.net",),
    ("j\u00f6rg@example.net".encode(),),
    (b"two\nlines", b"a tab\t", b" "),
    (b"--", b"-f", b"-t", b"-oQ/tmp", b"--help"),
    (b"--", b"|/bin/sh", b"/etc/passwd", b"-X/etc/passwd"),
    (b"-fa@example.org", b"-f", b"", b"bob"),
    (b"x" * 100_000,),
    (b"r",) * 100_000,
)


@pytest.mark.parametrize("words", NOT_READ, ids=" ".join)
def test_what_is_no_mail_leaves_standard_input_alone(
    stage: Stage, words: tuple[str, ...]
) -> None:
    """A loop of a shell that reads from the same place would lose its lines."""
    daemon = stage.serve(answer(b"0 fine\n"))
    reader, writer = os.pipe()
    os.write(writer, MAIL)

    ended = stage.end(stage.start(*words[1:], name=words[0], stdin=reader))

    assert (ended.code, ended.out) == (0, b"fine\n")
    assert os.read(reader, 1000) == MAIL
    (frame,) = daemon.frames
    assert (frame.content, frame.is_whole) == (b"", True)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_a_mail_is_read_to_its_end(stage: Stage, words: tuple[str, ...]) -> None:
    """An address that looks like an option makes no difference."""
    daemon = stage.serve(answer(b"0 "))

    ended = stage.end(stage.start(*words), MAIL)

    assert ended.code == 0
    (frame,) = daemon.frames
    assert (frame.content, frame.is_whole) == (MAIL, True)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: repr(words)[:30])
def test_arguments_go_through_untouched(stage: Stage, words: tuple[bytes, ...]) -> None:
    daemon = stage.serve(answer(b"0 "))

    ended = stage.sent(*words)

    assert ended.code == 0
    (frame,) = daemon.frames
    assert frame.words == (os.fsencode(stage.twin.program()), *words)
    assert frame.content == MAIL


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: repr(content)[:20])
def test_octets_go_through_untouched(stage: Stage, content: bytes) -> None:
    daemon = stage.serve(answer(b"0 "))

    ended = stage.sent(mail=content)

    assert ended.code == 0
    (frame,) = daemon.frames
    assert (frame.content, frame.is_whole) == (content, True)


def test_a_mail_of_30_mb_goes_through_untouched(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))
    content = os.urandom(30 << 20)

    ended = stage.sent(mail=content)

    assert ended.code == 0
    (frame,) = daemon.frames
    assert frame.content == content


def test_a_file_is_as_good_as_a_pipe(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))
    path = stage.folder / "mail"
    path.write_bytes(MAIL)

    with path.open("rb") as file:
        ended = stage.end(stage.start("bob", stdin=file))

    assert ended.code == 0
    assert daemon.frames[0].content == MAIL


def test_what_a_slow_program_has_written_does_not_wait_for_the_rest(
    stage: Stage,
) -> None:
    """So the daemon can refuse early, and sees who takes his time."""
    daemon = stage.serve(answer(b"0 "))
    process = stage.start("bob")
    assert process.stdin

    for heard in (b"Subject: hi\n", b"\n", b"A line"):
        process.stdin.write(heard)
        process.stdin.flush()
        daemon.wait(partial(has_come, heard))
    ended = stage.end(process, b".\n")

    assert ended.code == 0
    assert daemon.frames[0].content == b"Subject: hi\n\nA line.\n"


def has_come(piece: bytes, callers: list[Caller]) -> bool:
    return bool(callers) and callers[0].heard.endswith(piece)


def test_a_pipe_that_does_not_block_is_waited_for(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))
    reader, writer = os.pipe()
    flags = fcntl.fcntl(reader, fcntl.F_GETFL)
    fcntl.fcntl(reader, fcntl.F_SETFL, flags | os.O_NONBLOCK)

    process = stage.start("bob", stdin=reader)
    daemon.wait(lambda callers: bool(callers) and b"bob\0" in callers[0].heard)
    os.write(writer, MAIL)
    os.close(writer)
    os.close(reader)
    ended = stage.end(process)

    assert ended.code == 0
    assert daemon.frames[0].content == MAIL


def test_a_pipe_that_does_not_block_is_waited_for_without_a_daemon(
    stage: Stage,
) -> None:
    daemon = stage.serve(answer_early(b"", b"bob\0"))
    reader, writer = os.pipe()
    flags = fcntl.fcntl(reader, fcntl.F_GETFL)
    fcntl.fcntl(reader, fcntl.F_SETFL, flags | os.O_NONBLOCK)

    process = stage.start("bob", stdin=reader)
    daemon.wait(lambda callers: bool(callers) and callers[0].has_shut)
    os.write(writer, MAIL)
    os.close(writer)
    os.close(reader)
    ended = stage.end(process)

    assert ended.code == 0
    assert stage.dropped()[0].content == MAIL


@pytest.mark.parametrize("mode", [os.O_RDONLY | os.O_DIRECTORY, os.O_WRONLY])
def test_input_that_cannot_be_read_is_not_taken_for_an_empty_mail(
    stage: Stage, mode: int
) -> None:
    daemon = stage.serve(answer(b"0 "))
    path = stage.folder if mode & os.O_DIRECTORY else Path(os.devnull)
    descriptor = os.open(path, mode)

    ended = stage.end(stage.start("bob", stdin=descriptor))

    os.close(descriptor)
    # Python itself will not begin on a folder, and has its own words for it.
    words = (b"cannot read standard input", b"<stdin> is a directory")
    assert ended.code in ((os.EX_NOINPUT,) if stage.twin.is_c else (os.EX_NOINPUT, 1))
    assert any(each in ended.err for each in words)
    daemon.wait(lambda callers: all(caller.has_shut for caller in callers))
    assert not any(frame.is_whole for frame in daemon.frames)
    assert stage.dropped() == []


def test_each_mail_has_a_key_of_its_own(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))

    for _ in range(5):
        stage.sent()

    keys = {frame.key for frame in daemon.frames}
    assert len(keys) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)


def test_a_small_mail_costs_one_write(stage: Stage) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is missing")
    stage.serve(answer(b"0 "))
    log = stage.folder / "log"
    path = stage.folder / "mail"
    path.write_bytes(MAIL * 100)

    with path.open("rb") as file:
        within = ("strace", "-o", str(log), "-e", "trace=connect,write,sendto,shutdown")
        ended = stage.end(stage.start("bob", stdin=file, within=within))

    calls = re.findall(r"(?m)^(\w+)\(\d", log.read_text())
    assert ended.code == 0, ended.err
    behind = calls[calls.index("connect") + 1 :]
    assert len(behind) == 2, log.read_text()
    assert behind[1] == "shutdown"


def test_nothing_of_the_environment_is_needed(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))
    whole = environment(stage.folder)

    bare = {name: whole[name] for name in whole if name.startswith("MAILDROP_")}
    ended = stage.sent(env=bare)

    assert (ended.code, ended.err) == (0, b"")
    assert daemon.frames[0].content == MAIL


def test_who_has_given_up_all_rights_can_send(stage: Stage) -> None:
    """No set-id bit is needed, as PHP and hardened units forbid it."""
    daemon = stage.serve(answer(b"0 "))

    ended = stage.sent(within=("setpriv", "--no-new-privs"))

    assert ended.code == 0
    assert daemon.frames[0].content == MAIL


def test_the_clients_may_be_called_without_any_name(stage: Stage) -> None:
    """execve(2) with an empty list of arguments: the kernel makes it one."""
    daemon = stage.serve(answer(b"0 "))

    process = subprocess.Popen(
        [""],
        executable=stage.twin.program(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(stage.folder),
    )

    assert stage.end(process).code == 0
    assert len(daemon.frames[0].words) == 1
