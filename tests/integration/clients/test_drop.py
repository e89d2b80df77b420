# SPDX-License-Identifier: Apache-2.0
"""Where nobody answers, the frame lies in the drop; where it cannot, it is said."""

import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.sendmail_daemon import Caller, answer
from tests.integration.clients.stage import MAIL, ORDINARY, WORDS, Ended, Stage
from tests.integration.clients.twins import environment


def closed_socket(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stage.run / "sendmail"))


def forbidden_socket(stage: Stage) -> None:
    stage.serve(answer(b"0 "))
    (stage.run / "sendmail").chmod(0)


def forbidden_folder(stage: Stage) -> None:
    stage.serve(answer(b"0 "))
    stage.run.chmod(0)


def a_file(stage: Stage) -> None:
    (stage.run / "sendmail").write_bytes(b"")


def a_link_to_nothing(stage: Stage) -> None:
    (stage.run / "sendmail").symlink_to("gone")


def no_folder(stage: Stage) -> None:
    stage.run.rmdir()


def nothing(stage: Stage) -> None:
    """No socket at all."""


def open_again(folder: Path) -> None:
    if folder.exists():
        folder.chmod(0o755)


def is_left(stage: Stage, ended: Ended) -> None:
    """Hold that a mail lies in the drop as it should."""
    assert (ended.code, ended.out, ended.err) == (0, b"", b"")
    (frame,) = stage.dropped()
    program = os.fsencode(stage.twin.program())
    assert frame.words[0].endswith(program.rpartition(b"/")[2])
    assert frame.words[1:] == tuple(word.encode() for word in WORDS)
    assert frame.content == MAIL
    (path,) = stage.drop.iterdir()
    assert stat.filemode(path.lstat().st_mode) == "-rw-r-----"


@pytest.mark.parametrize(
    "trouble",
    [
        nothing,
        no_folder,
        closed_socket,
        forbidden_socket,
        forbidden_folder,
        a_file,
        a_link_to_nothing,
    ],
)
def test_a_mail_nobody_answers_for_is_left_in_the_drop(
    stage: Stage, trouble: Callable[[Stage], None]
) -> None:
    trouble(stage)

    ended = stage.sent(within=ORDINARY)

    open_again(stage.run)
    is_left(stage, ended)


@pytest.mark.parametrize("error", ["EAFNOSUPPORT", "EPERM", "EACCES", "EMFILE"])
def test_a_caller_that_may_have_no_socket_can_send(stage: Stage, error: str) -> None:
    """RestrictAddressFamilies= of a unit, or a seccomp filter."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing")
    stage.serve(answer(b"0 "))
    within = ("strace", "-o", "/dev/null", "-e", f"inject=socket:error={error}")

    is_left(stage, stage.sent(within=within))


def test_a_daemon_that_lets_nobody_in_is_not_waited_for_for_ever(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as other:
        sock.bind(str(stage.run / "sendmail"))
        sock.listen(0)
        other.connect(str(stage.run / "sendmail"))  # who waits takes all the room

        is_left(stage, stage.sent(hasty=True))


def test_a_daemon_with_a_full_queue_is_waited_for_a_while(stage: Stage) -> None:
    """Five hundred programs send at once: nobody has to go by the drop."""
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as other:
        sock.bind(str(stage.run / "sendmail"))
        sock.listen(0)
        other.connect(str(stage.run / "sendmail"))
        process = stage.start(*WORDS)
        until_it_waits(process.pid)

        sock.accept()[0].close()
        client = sock.accept()[0]
        with client:
            assert process.stdin
            process.stdin.close()
            process.stdin = None
            while client.recv(1000):
                pass
            client.sendall(b"65 no\n")
        ended = stage.end(process)

    assert (ended.code, ended.err) == (65, b"no\n")
    assert stage.dropped() == []


def until_it_waits(pid: int) -> None:
    """Wait for a process to have begun its work, and to sleep."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        # Before it waits, what it has open comes and goes.
        with suppress(FileNotFoundError):
            files = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
            if state == "S" and "socket:" in " ".join(files):
                return
        os.sched_yield()
    raise AssertionError(pid)


@pytest.mark.parametrize("mask", [0, 0o077, 0o777])
def test_the_mode_is_the_same_for_any_umask(stage: Stage, mask: int) -> None:
    was = os.umask(mask)
    try:
        process = stage.start(*WORDS)
    finally:
        os.umask(was)

    is_left(stage, stage.end(process, MAIL))


def test_no_right_to_look_into_the_drop_is_needed(stage: Stage) -> None:
    stage.drop.chmod(0o300)

    ended = stage.sent(within=ORDINARY)

    stage.drop.chmod(0o700)
    is_left(stage, ended)


def test_30_mb_lie_in_the_drop_unchanged(stage: Stage) -> None:
    content = os.urandom(30 << 20)

    ended = stage.sent(mail=content)

    assert ended.code == 0
    assert stage.dropped()[0].content == content


def test_content_and_name_are_on_disk_before_the_end(stage: Stage) -> None:
    """In this order: a name for what is not on disk would be half a mail."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing")
    log = stage.folder / "log"
    calls = "openat,write,fchmod,fsync,fdatasync,renameat,renameat2,linkat,exit_group"

    ended = stage.sent(within=("strace", "-o", str(log), "-e", f"trace={calls}"))

    assert ended.code == 0
    text = log.read_text()
    behind = text[text.index("O_EXCL") :]
    made = re.search(r'(?m)^openat\(\d+, "\.([0-9a-f]{32})", .*O_EXCL.*$', text)
    assert made
    assert "O_NOFOLLOW" in made[0]
    assert re.findall(r"(?m)^(\w+)\(", behind) == [
        *("fchmod", "write", "fsync", "renameat", "fsync", "exit_group")
    ]


class Spoiler:
    """A daemon that takes the name in the drop, and answers nothing."""

    def __init__(self, drop: Path, what: str) -> None:
        self.drop, self.what, self.key = drop, what, ""

    def __call__(self, caller: Caller) -> None:
        caller.hear_all()
        if self.key:
            return
        self.key = caller.frame.key
        place = self.drop / f".{self.key}"
        if self.what == "a file":
            place.write_bytes(b"taken")
        elif self.what == "a link":
            place.symlink_to(self.drop.parent / "elsewhere")
        elif self.what == "a link to a file":
            (self.drop.parent / "elsewhere").write_bytes(b"precious")
            place.symlink_to(self.drop.parent / "elsewhere")
        else:
            (self.drop / self.key).mkdir()


@pytest.mark.parametrize("what", ["a file", "a link", "a link to a file", "a folder"])
def test_a_name_that_is_taken_is_left_as_it_is(stage: Stage, what: str) -> None:
    """Nothing is written through a link that somebody else has laid."""
    spoiler = Spoiler(stage.drop, what)
    stage.serve(spoiler)

    ended = stage.sent()

    assert ended.code == os.EX_TEMPFAIL
    assert b"nothing is sent" in ended.err
    names = {path.name for path in stage.drop.iterdir()}
    elsewhere = stage.folder / "elsewhere"
    assert names == {spoiler.key if what == "a folder" else f".{spoiler.key}"}
    assert not elsewhere.exists() or elsewhere.read_bytes() == b"precious"
    assert what != "a file" or (stage.drop / f".{spoiler.key}").read_bytes() == b"taken"


@pytest.mark.parametrize("closed", ["missing", "a file", "forbidden"])
def test_a_mail_that_can_go_nowhere_is_not_taken(stage: Stage, closed: str) -> None:
    """And the caller learns why: of both ways."""
    if closed == "forbidden":
        stage.drop.chmod(0)
    else:
        stage.drop.rmdir()
    if closed == "a file":
        stage.drop.write_bytes(b"")

    ended = stage.sent(within=ORDINARY)

    open_again(stage.drop)
    words = ended.err.decode()
    assert (ended.code, ended.out) == (os.EX_TEMPFAIL, b"")
    assert re.fullmatch(r"sendmail: [^\n]+, nothing is sent\n", words)
    assert f"{stage.run}/sendmail: No such file or directory" in words
    reasons = {
        "missing": "No such file or directory",
        "a file": "Not a directory",
        "forbidden": "Permission denied",
    }
    assert f"{stage.drop}: {reasons[closed]}" in words


def test_a_daemon_that_hangs_up_is_named_as_a_reason(stage: Stage) -> None:
    stage.serve(answer(b""))
    stage.drop.rmdir()

    ended = stage.sent()

    assert ended.code == os.EX_TEMPFAIL
    assert b"no answer" in ended.err
    assert b"No such file or directory" in ended.err


@pytest.mark.parametrize("name", ["mailq", "newaliases"])
def test_a_question_is_not_left_in_the_drop(stage: Stage, name: str) -> None:
    """Nobody would hear the answer."""
    ended = stage.end(stage.start(name=name))

    assert (ended.code, ended.out) == (os.EX_TEMPFAIL, b"")
    assert b"No such file or directory" in ended.err
    assert stage.dropped() == []


def test_a_place_with_a_long_name_is_no_reason_to_fail(stage: Stage) -> None:
    """A path that is too long for a socket is no socket."""
    long = stage.folder / ("x" * 120)

    ended = stage.sent(env=here(stage, long))

    is_left(stage, ended)


def here(stage: Stage, run: Path) -> dict[str, str]:
    return {**environment(stage.folder), "MAILDROP_RUN": str(run)}
