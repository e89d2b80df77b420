# SPDX-License-Identifier: Apache-2.0
"""What lies in the drop and is no file: set aside or left, and never opened."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.input_stage import GOOD, Stage, opened

MAIL = GOOD % b"nobody@example.net"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("odd")) as stage:
        yield stage


def symlink(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_bytes(MAIL)
    path.symlink_to(secret)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def character_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero


def block_device(path: Path) -> None:
    os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 0))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (symlink, "it is a symbolic link, not a file"),
        (dangling, "it is a symbolic link, not a file"),
        (loop, "it is a symbolic link, not a file"),
        (endless, "it is a symbolic link, not a file"),
        (pipe, "it is a pipe, not a file"),
        (unix_socket, "it is a socket, not a file"),
        (character_device, "it is a device, not a file"),
        (block_device, "it is a device, not a file"),
    ],
)
def test_what_is_no_file_is_set_aside_unopened(
    stage: Stage, make: Callable[[Path], None], reason: str
) -> None:
    name = f"odd-{make.__name__}"

    with stage.bounded(name, reads=0):
        make(stage.drop / name)
        place = stage.quarantined(name, reason)

    assert not stat.S_ISREG(place.lstat().st_mode)


def test_a_pipe_with_a_writer_that_waits_holds_nobody(stage: Stage) -> None:
    aside = stage.drop / ".pipe"
    os.mkfifo(aside)
    writer = os.open(aside, os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, MAIL)

    with stage.bounded("pipe-with-writer", reads=0):
        aside.rename(stage.drop / "pipe-with-writer")
        stage.quarantined("pipe-with-writer", "it is a pipe, not a file")

    os.close(writer)


def test_a_hard_link_to_a_file_elsewhere_is_set_aside_unread(stage: Stage) -> None:
    """Or the mail of somebody else would go where the link's maker wants."""
    elsewhere = stage.daemon.folder / "elsewhere"
    elsewhere.write_bytes(MAIL)
    elsewhere.chmod(0o600)

    with stage.bounded("hard-link", reads=0):
        os.link(elsewhere, stage.drop / "hard-link")
        place = stage.quarantined("hard-link", "it has 2 names (hard links)")

    assert place.samefile(elsewhere)
    assert elsewhere.read_bytes() == MAIL
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600


def test_a_directory_is_left_and_told_once(stage: Stage) -> None:
    folder = stage.drop / "folder"

    with stage.bounded("folder", reads=0):
        folder.mkdir()
        (folder / "mail").write_bytes(MAIL)
        event = stage.event("FileLeftAlone", "folder")

    assert event["MAILDROP_REASON"] == "it is a directory"
    assert (folder / "mail").read_bytes() == MAIL


def test_an_empty_file_is_set_aside(stage: Stage) -> None:
    with stage.bounded("empty", reads=0):
        stage.daemon.put("empty", b"")
        assert stage.quarantined("empty", "it is empty").stat().st_size == 0


def test_a_sparse_file_of_10_gb_is_set_aside_by_its_first_octets(stage: Stage) -> None:
    """Those could be the beginning of several mails in one file."""
    size = 10 * 1024**3

    with stage.bounded("sparse"):
        with (stage.drop / ".sparse").open("wb") as file:
            file.write(MAIL)
            file.truncate(size)
        (stage.drop / ".sparse").rename(stage.drop / "sparse")
        place = stage.quarantined(
            "sparse", f"{size} octets, and message_size_limit is 26214400"
        )

    assert place.stat().st_size == size
    assert place.stat().st_blocks * 512 < 1024 * 1024
    place.unlink()


def test_nothing_of_all_this_was_sent(stage: Stage) -> None:
    stage.good()

    sent = {path for taken in stage.server.delivered for path in taken.recipients}
    assert all(path.startswith("good") for path in sent)
