# SPDX-License-Identifier: Apache-2.0
"""Files that can neither go nor be set aside: told once, not read again."""

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.input_stage import CONFIG, GOOD, Stage, opened

ELSEWHERE = Path("/dev/shm")  # another file system, wherever tests run
SPARSE = 10 * 1024**3


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Have the quarantine on another file system than the drop."""
    with tempfile.TemporaryDirectory(dir=ELSEWHERE) as quarantine:
        config = f"{CONFIG}quarantine = {quarantine}/quarantine\n"
        with opened(tmp_path, config) as stage:
            assert stage.drop.stat().st_dev != ELSEWHERE.stat().st_dev
            yield stage


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Let a file be a mount point: it can be read, and neither moved nor removed."""
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def put_held(stage: Stage, name: str, content: bytes) -> Path:
    stage.daemon.signal(signal.SIGSTOP)
    stage.daemon.put(name, content)
    return stage.drop / name


def test_a_mail_that_cannot_be_removed_is_sent_once_and_goes_when_it_can(
    stage: Stage,
) -> None:
    path = put_held(stage, "stuck", GOOD % b"stuck@example.net")
    with held(path):
        with stage.bounded("stuck"):
            stage.daemon.signal(signal.SIGCONT)
            stage.arrives("stuck")
            event = stage.event("FileLeftAlone", "stuck")
        assert event["MAILDROP_REASON"].startswith("stored, but it cannot be removed")
        assert path.exists()

    stage.daemon.stop()
    stage.daemon.start()
    stage.daemon.wait_for("SubmissionRepeated")
    stage.gone("stuck")

    assert (
        len([t for t in stage.server.ledger if t.recipients[0] == "stuck@example.net"])
        == 1
    )


def test_no_mail_that_cannot_be_moved_is_told_once(stage: Stage) -> None:
    path = put_held(stage, "odd", b"no mail\n")
    with held(path), stage.bounded("odd", reads=2):  # the second for the copy
        stage.daemon.signal(signal.SIGCONT)
        event = stage.event("FileLeftAlone", "odd")
        assert "line 1 is no header field" in event["MAILDROP_REASON"]
        assert "it cannot be set aside" in event["MAILDROP_REASON"]

    assert path.read_bytes() == b"no mail\n"


def pipe(path: Path) -> None:
    subprocess.run(["mkfifo", path], check=True)


def symlink(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


@pytest.mark.parametrize("make", [pipe, symlink, sparse])
def test_what_cannot_be_copied_to_a_quarantine_elsewhere_is_left_and_told_once(
    stage: Stage, make: Callable[[Path], None]
) -> None:
    make(stage.drop / ".odd")

    with stage.bounded("odd", reads=make is sparse):
        (stage.drop / ".odd").rename(stage.drop / "odd")
        stage.event("FileLeftAlone", "odd")


def test_a_bad_file_is_copied_to_a_quarantine_elsewhere(stage: Stage) -> None:
    with stage.bounded("odd", reads=2):
        stage.daemon.put("odd", b"no mail\n")
        event = stage.event("MessageQuarantined", "odd")

    place = Path(event["MAILDROP_QUARANTINE"])
    assert place.read_bytes() == b"no mail\n"
    assert place.with_name(place.name + ".reason").exists()
    assert not (stage.drop / "odd").exists()
