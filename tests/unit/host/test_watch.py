# SPDX-License-Identifier: Apache-2.0
"""Watching a directory, by the real kernel."""

import ctypes.util
import logging
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.inotify import InotifyWatch, changes
from maildropd.host.watch import Changes, PollWatch, WatchRefused

NOW = timedelta(0)
LONG = timedelta(seconds=10)
ODD = b"\xff\xfe.eml"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "drop").mkdir()
    descriptor = os.open(tmp_path / "drop", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def watch(directory: int) -> Iterator[InotifyWatch]:
    watch = InotifyWatch()
    assert watch.begin(directory) == "inotify"
    yield watch
    watch.close()


def write(directory: int, name: bytes) -> None:
    flags = os.O_CREAT | os.O_WRONLY
    os.close(os.open(name, flags, dir_fd=directory))


def test_a_file_that_was_closed_is_reported(
    watch: InotifyWatch, directory: int
) -> None:
    write(directory, b"mail")

    assert watch.wait(LONG) == Changes(closed=(b"mail",))
    assert watch.wait(NOW) == Changes()


def test_a_file_that_is_open_is_not_reported(
    watch: InotifyWatch, directory: int
) -> None:
    writer = os.open(b"mail", os.O_CREAT | os.O_WRONLY, dir_fd=directory)
    os.write(writer, b"half")

    assert watch.wait(NOW) == Changes()
    os.close(writer)
    assert watch.wait(LONG).closed == (b"mail",)


def test_a_file_that_was_renamed_is_reported_by_its_new_name(
    watch: InotifyWatch, directory: int
) -> None:
    write(directory, b".mail")
    os.rename(b".mail", b"mail", src_dir_fd=directory, dst_dir_fd=directory)

    assert watch.wait(LONG) == Changes(closed=(b".mail", b"mail"), gone=(b".mail",))


def test_a_name_that_is_not_text_is_reported_with_all_others(
    watch: InotifyWatch, directory: int
) -> None:
    """pyinotify's own reader would lose all three."""
    for name in (b"a", ODD, b"b"):
        write(directory, name)

    assert watch.wait(LONG).closed == (b"a", ODD, b"b")


def test_a_lock_that_is_removed_is_reported(
    watch: InotifyWatch, directory: int
) -> None:
    write(directory, b"mail.lck")
    os.unlink(b"mail.lck", dir_fd=directory)

    assert watch.wait(LONG).gone == (b"mail.lck",)


def test_the_removal_of_the_directory_is_reported_although_we_have_it_open(
    watch: InotifyWatch, tmp_path: Path
) -> None:
    """The kernel keeps quiet on the directory itself until the last close."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other").rmdir()
    assert watch.wait(LONG) == Changes()

    (tmp_path / "drop").rmdir()

    assert watch.wait(LONG).rescan


def test_a_directory_that_is_renamed_is_reported(
    watch: InotifyWatch, tmp_path: Path
) -> None:
    (tmp_path / "drop").rename(tmp_path / "old")

    assert watch.wait(LONG).rescan


def test_a_watch_that_begins_anew_forgets_the_last_directory(
    watch: InotifyWatch, directory: int, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    new = os.open(tmp_path / "new", os.O_RDONLY)
    watch.begin(new)

    write(directory, b"old")
    write(new, b"new")

    assert watch.wait(LONG).closed == (b"new",)
    os.close(new)


@pytest.mark.parametrize("kind", [InotifyWatch, PollWatch])
def test_a_wait_is_ended_by_another_thread(
    kind: type[InotifyWatch | PollWatch], directory: int
) -> None:
    watch = kind()
    watch.begin(directory)
    waiter = threading.Thread(target=watch.wait, args=(LONG,), daemon=True)
    waiter.start()

    watch.wake()
    waiter.join(5)

    assert not waiter.is_alive()
    watch.close()


@pytest.mark.parametrize("kind", [InotifyWatch, PollWatch])
def test_a_wait_before_which_somebody_woke_ends_at_once(
    kind: type[InotifyWatch | PollWatch],
) -> None:
    watch = kind()
    watch.wake()
    watch.wake()

    assert watch.wait(timedelta(days=1)) == Changes()
    watch.close()


def test_a_wait_without_a_directory_is_only_a_wait() -> None:
    watch = InotifyWatch()

    assert watch.wait(timedelta(milliseconds=1)) == Changes()
    watch.close()


def test_polling_reports_nothing(directory: int) -> None:
    watch = PollWatch()
    assert watch.begin(directory) == "poll"
    write(directory, b"mail")

    assert watch.wait(timedelta(microseconds=1)) == Changes()
    watch.close()


def test_a_kernel_that_has_no_more_is_a_refusal_and_no_leak(directory: int) -> None:
    watch = InotifyWatch()
    watch.begin(directory)
    before = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(WatchRefused, match="Too many open files"):
            watch.begin(directory)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(os.listdir("/proc/self/fd")) == before - 1
    assert watch.wait(NOW) == Changes()
    watch.begin(directory)
    write(directory, b"mail")
    assert watch.wait(LONG).closed == (b"mail",)
    watch.close()


def test_what_is_no_directory_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watch = InotifyWatch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)

    with pytest.raises(WatchRefused, match="Not a directory"):
        watch.begin(descriptor)

    os.close(descriptor)
    watch.close()


def test_without_pyinotify_there_is_a_refusal(
    directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyinotify", None)
    watch = InotifyWatch()

    with pytest.raises(WatchRefused, match="pyinotify"):
        watch.begin(directory)

    watch.close()


@pytest.mark.parametrize("mask", [0x400, 0x800, 0x2000, 0x4000, 0x8000])
def test_what_the_kernel_lost_or_took_away_needs_another_look(mask: int) -> None:
    """An overflow names no watch at all."""
    overflow = struct.pack("iIII", -1, mask, 0, 0)

    assert changes(overflow) == Changes(rescan=True)


def test_the_library_neither_prints_nor_searches(watch: InotifyWatch) -> None:
    watch.wait(NOW)
    library = sys.modules["pyinotify"]

    assert logging.getLogger("pyinotify").handlers == []
    assert library.ctypes.util.find_library("c") is None
    assert ctypes.util.find_library is not library.ctypes.util.find_library


def test_it_works_where_asyncore_is_no_more() -> None:
    """As on Python 3.12 and later, without pyasyncore."""
    program = """
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name == "asyncore" else PathFinder.find_spec(name, path, target)

sys.meta_path = [Without if each is PathFinder else each for each in sys.meta_path]
import os
from datetime import timedelta
from maildropd.host.inotify import InotifyWatch
watch = InotifyWatch()
print(watch.begin(os.open(sys.argv[1], os.O_RDONLY)), "asyncore" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "/tmp"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert (done.stdout, done.stderr) == ("inotify False\n", "")
