# SPDX-License-Identifier: Apache-2.0
"""Break each step of writing a file in turn, and look at what is left."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.host import durable
from maildropd.mail.errors import TooLarge
from tests.crash.failing_os import FailingOs

ORDER = ["unlink", "open", "write", "write", "fsync", "close", "link", "unlink"]
ORDER += ["open", "fsync", "close"]  # of the directory
OCTETS = [b"Subject: hi\r\n", b"\r\n"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "content").mkdir()
    return tmp_path / "content"


def failing(
    monkeypatch: pytest.MonkeyPatch, step: int, error: int = errno.EIO
) -> FailingOs:
    fake = FailingOs(step, OSError(error, os.strerror(error)))
    monkeypatch.setattr(durable, "os", fake)
    return fake


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", range(1, len(ORDER) + 2))
def test_refused_means_gone_and_accepted_means_kept(
    step: int, error: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, step, error)

    try:
        durable.create(folder / "4XK2", OCTETS)
        accepted = True
    except OSError as raised:
        assert raised.errno == error  # noqa: PT017 - it may not raise at all
        accepted = False

    assert accepted is (step > len(ORDER))
    assert [path.name for path in folder.iterdir()] == ["4XK2"] * accepted
    if accepted:
        assert (folder / "4XK2").read_bytes() == b"".join(OCTETS)


def test_content_is_synced_before_its_name_and_the_name_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is the promise: file systems keep none by themselves."""
    fake = failing(monkeypatch, 0)

    durable.create(folder / "4XK2", OCTETS)

    assert fake.calls == ORDER


def test_a_name_that_is_taken_is_never_replaced(folder: Path) -> None:
    durable.create(folder / "4XK2", [b"first"])

    with pytest.raises(FileExistsError):
        durable.create(folder / "4XK2", [b"second"])

    assert (folder / "4XK2").read_bytes() == b"first"
    assert len(list(folder.iterdir())) == 1


ANEW = ["unlink", "open", "write", "write", "fsync", "close", "rename"]
ANEW += ["open", "fsync", "close"]  # of the directory


@pytest.mark.parametrize("step", range(1, len(ANEW) + 2))
def test_a_file_written_anew_is_the_old_one_or_the_new_one(
    step: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.replace(folder / "4XK2", [b"old"])
    failing(monkeypatch, step)

    try:
        durable.replace(folder / "4XK2", OCTETS)
        accepted = True
    except OSError:
        accepted = False

    assert accepted is (step > len(ANEW))
    assert [path.name for path in folder.iterdir()] == ["4XK2"]
    named = step > ANEW.index("rename") + 1
    found = (folder / "4XK2").read_bytes()
    assert found == (b"".join(OCTETS) if named else b"old")


def test_new_content_is_synced_before_it_replaces_and_the_name_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = failing(monkeypatch, 0)

    durable.replace(folder / "4XK2", OCTETS)

    assert fake.calls == ANEW


def test_what_a_crash_left_unfinished_is_no_obstacle(folder: Path) -> None:
    (folder / ".4XK2.tmp").write_bytes(b"Subj")

    durable.create(folder / "4XK2", OCTETS)

    assert [path.name for path in folder.iterdir()] == ["4XK2"]


def test_content_that_fails_half_way_leaves_nothing(folder: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise TooLarge("larger than 4 octets")

    with pytest.raises(TooLarge):
        durable.create(folder / "4XK2", pieces())

    assert list(folder.iterdir()) == []


def test_a_write_that_stops_half_way_is_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = failing(monkeypatch, 0)
    monkeypatch.setattr(
        fake, "write", lambda fd, octets: os.write(fd, octets[:3]), raising=False
    )

    durable.create(folder / "4XK2", [b"0123456789"])

    assert (folder / "4XK2").read_bytes() == b"0123456789"


def test_no_descriptor_is_left_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(os.listdir("/proc/self/fd"))

    for step in range(1, len(ORDER) + 1):
        failing(monkeypatch, step)
        with pytest.raises(OSError, match="Input/output error"):
            durable.create(folder / "4XK2", OCTETS)

    assert len(os.listdir("/proc/self/fd")) <= before


def test_only_the_owner_may_read(folder: Path) -> None:
    durable.create(folder / "4XK2", OCTETS)

    assert (folder / "4XK2").stat().st_mode & 0o777 == 0o600


def test_removing_what_is_not_there_is_no_error(folder: Path) -> None:
    durable.create(folder / "4XK2", OCTETS)

    durable.remove(folder / "4XK2")
    durable.remove(folder / "4XK2")

    assert list(folder.iterdir()) == []


def test_a_new_directory_is_synced_into_the_one_above(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = failing(monkeypatch, 0)

    durable.make_directory(folder / "a" / "b")
    durable.make_directory(folder / "a" / "b")

    assert fake.calls == ["mkdir", "open", "fsync", "close"] * 2
