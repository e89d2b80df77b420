# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand files at once: all are taken, and they fill no memory."""

import logging
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.input_sink import Sink
from tests.faults.input_stage import AS_A_SERVICE, CONFIG, SOON, lean, memory
from tests.integration.daemon import DaemonProcess

FILES = 100_000
MEMORY = "/dev/shm"
NEEDED = 2 * 1024**3
DEADLINE = 240.0  # they take some 40 s


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Have a disk that is not what is measured, if there is room."""
    if shutil.disk_usage(MEMORY).free < NEEDED:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def mail(path: bytes) -> bytes:
    return b"##To:%s\n##From:app@x\nSubject: %s\n\nA line.\n" % (path, path)


def write(folder: Path, name: str) -> None:
    flags = os.O_CREAT | os.O_WRONLY | os.O_EXCL
    descriptor = os.open(folder / name, flags, 0o640)
    os.write(descriptor, mail(f"{name}@x".encode()))
    os.close(descriptor)


def test_a_hundred_thousand_files_at_once_are_taken_and_hold_up_no_other(
    folder: Path,
) -> None:
    with Sink() as sink:
        daemon = DaemonProcess(folder, sink.port, CONFIG)
        daemon.within = AS_A_SERVICE
        daemon.start()
        try:
            daemon.wait_for("SpoolWatched")
            with lean(daemon.pid, memory(daemon.pid, "VmRSS")):
                flood(daemon)
                goods = good_ones_until_it_is_over(daemon)
        finally:
            code = daemon.stop()

    assert code == 0
    assert not daemon.of("SubmissionRepeated")
    assert not daemon.of("MessageQuarantined")
    everyone = {f"m{number}@x" for number in range(FILES)} | goods
    found = Counter(path.decode() for path in sink.taken.elements()) + queued(folder)
    assert set(found) == everyone
    assert found.total() == len(everyone)
    assert sink.wrong == []


def flood(daemon: DaemonProcess) -> None:
    """Put a full directory in the place of the empty one."""
    full = daemon.folder / "full"
    full.mkdir()
    for number in range(FILES):
        write(full, f"m{number}")
    daemon.signal(signal.SIGSTOP)
    daemon.drop.rename(daemon.folder / "empty")
    full.rename(daemon.drop)
    daemon.signal(signal.SIGCONT)
    daemon.wait_for("SpoolWatched", 2)


def good_ones_until_it_is_over(daemon: DaemonProcess) -> set[str]:
    """Leave mail now and then; each is accepted soon, whatever lies before it."""
    goods: list[str] = []
    started, pace = time.monotonic(), threading.Event()
    while holds_any(daemon.drop):
        assert time.monotonic() - started < DEADLINE
        name = f"good{len(goods)}"
        goods.append(f"{name}@x")
        (daemon.folder / "aside").write_bytes(mail(f"{name}@x".encode()))
        began = time.monotonic()
        (daemon.folder / "aside").rename(daemon.drop / name)
        daemon.until(partial(_is_gone, daemon.drop / name), "removal")
        assert time.monotonic() - began < SOON
        pace.wait(1)
    taken_in = time.monotonic() - started
    logging.getLogger("faults").info("%d files in %.0f s", FILES, taken_in)
    return set(goods)


def holds_any(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is not None


def _is_gone(path: Path) -> bool:
    return not path.exists()


def queued(folder: Path) -> Counter[str]:
    """Return who is still in the store of a daemon that has ended."""
    store = sqlite3.connect(folder / "state" / "queue.db")
    try:
        rows = store.execute("SELECT forward_path FROM recipient").fetchall()
    finally:
        store.close()
    return Counter(path for (path,) in rows)
