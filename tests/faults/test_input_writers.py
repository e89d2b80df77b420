# SPDX-License-Identifier: Apache-2.0
"""Other users at a drop of mode 3733: they may leave mail, and do no harm.

Each case is done by a child with another uid, as an attacker would.
"""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.input_stage import GOOD, Stage, opened

SOMEBODY = 65534
SOMEBODY_ELSE = 65533


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("writers")
    for each in (folder, *folder.parents[:-1]):
        if each.stat().st_mode & 0o1 == 0:
            each.chmod(each.stat().st_mode | 0o11)  # through which they must go
    public = folder / "public"
    public.mkdir()
    public.chmod(0o1777)
    with opened(folder, prepare=lambda drop: drop.chmod(0o3733)) as stage:
        stage.drop.chmod(0o3733)
        yield stage


def as_user(uid: int, act: Callable[[], object]) -> None:
    """Do something in a child with this uid and its group."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.umask(0o137)
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refused(act: Callable[[], object]) -> None:
    """Hold that the kernel does not let a user do this."""
    try:
        act()
    except OSError:
        return
    raise AssertionError("it was allowed")


def mail(name: str) -> bytes:
    return GOOD % f"{name}@example.net".encode()


def write(path: Path, content: bytes) -> None:
    path.with_name(f".{path.name}").write_bytes(content)
    path.with_name(f".{path.name}").rename(path)


def test_mail_of_another_user_is_delivered_and_told_as_his(stage: Stage) -> None:
    with stage.bounded("his"):
        as_user(SOMEBODY, lambda: write(stage.drop / "his", mail("his")))
        stage.arrives("his")

    def told() -> list[str]:
        return [
            each["MAILDROP_SUBMITTER"]
            for each in stage.daemon.of("MessageAccepted")
            if each.get("MAILDROP_SUBMITTER_UID") == str(SOMEBODY)
        ]

    stage.daemon.until(lambda: bool(told()), "MessageAccepted of his")
    assert told() == ["spool=drop"]


def symlink(path: Path) -> None:
    path.symlink_to("/etc/shadow")


def hard_link(path: Path) -> None:
    mine = path.parent.parent / "public" / "mine"
    mine.write_bytes(mail("linked"))
    os.link(mine, path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


def private(path: Path) -> None:
    path.write_bytes(mail("private"))
    path.chmod(0o600)


def empty(path: Path) -> None:
    path.touch()


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 * 1024**3)


def aside_first(make: Callable[[Path], None], path: Path) -> None:
    make(path.with_name(f".{path.name}"))
    path.with_name(f".{path.name}").rename(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (symlink, "it is a symbolic link"),
        (hard_link, "it has 2 names"),
        (pipe, "it is a pipe"),
        (unix_socket, "it is a socket"),
        (private, "it cannot be read (Permission denied)"),
        (empty, "it is empty"),
        (sparse, "message_size_limit"),
    ],
)
def test_what_another_user_leaves_to_trap_us_is_set_aside_and_told_as_his(
    stage: Stage, make: Callable[[Path], None], reason: str
) -> None:
    name = f"his-{make.__name__}"

    with stage.bounded(name, reads=make is sparse):
        as_user(SOMEBODY, lambda: aside_first(make, stage.drop / name))
        place = stage.quarantined(name, reason)

    event = stage.event("MessageQuarantined", name)
    assert event["MAILDROP_SUBMITTER_UID"] == str(SOMEBODY)
    assert place.lstat().st_uid == SOMEBODY
    assert place.parent.stat().st_mode & 0o077 == 0


def test_a_directory_of_another_user_is_left(stage: Stage) -> None:
    with stage.bounded("his-folder", reads=0):
        as_user(SOMEBODY, (stage.drop / "his-folder").mkdir)
        stage.event("FileLeftAlone", "his-folder")


def test_nobody_holds_up_the_mail_of_somebody_else(stage: Stage) -> None:
    """Names can be guessed: a lock counts if it is the owner's, or root's."""
    as_user(SOMEBODY, (stage.drop / "guessed.lck").touch)

    as_user(SOMEBODY_ELSE, lambda: write(stage.drop / "guessed", mail("guessed")))

    stage.arrives("guessed")
    assert (stage.drop / "guessed.lck").exists()


def test_nobody_lists_or_takes_or_opens_what_others_left(stage: Stage) -> None:
    theirs = stage.drop / ".theirs"
    as_user(SOMEBODY_ELSE, lambda: theirs.write_bytes(mail("theirs")))

    as_user(SOMEBODY, lambda: refused(lambda: os.listdir(stage.drop)))
    as_user(SOMEBODY, lambda: refused(theirs.read_bytes))
    as_user(SOMEBODY, lambda: refused(theirs.unlink))
    as_user(SOMEBODY, lambda: refused(lambda: theirs.rename(stage.drop / "x")))

    theirs.unlink()


def test_nothing_of_all_this_was_sent(stage: Stage) -> None:
    stage.good()

    sent = {
        path.partition("@")[0] for t in stage.server.delivered for path in t.recipients
    }
    assert {name for name in sent if not name.startswith("good")} == {"his", "guessed"}
