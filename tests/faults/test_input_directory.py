# SPDX-License-Identifier: Apache-2.0
"""The drop directory taken away, replaced or closed, and made right again.

A second drop shows that others flow meanwhile, and gives the time in which
the first one is looked for again and again.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.input_stage import CONFIG, GOOD, SOON, Stage, leave_unseen, opened

OTHER = """
[spool other]
path = other
quarantine = other-quarantine
settle_time = 0
poll_interval = 100ms
"""
ONLY_THE_KERNEL = "poll_interval = 1h\n"
QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("directory"), CONFIG + OTHER) as stage:
        stage.daemon.wait_for("SpoolWatched", 2)
        yield stage


def mail(name: str) -> bytes:
    return GOOD % f"{name}@example.net".encode()


def removed(drop: Path) -> Callable[[], None]:
    drop.rmdir()
    return drop.mkdir


def moved_away(drop: Path) -> Callable[[], None]:
    drop.rename(drop.with_name("away"))

    def back() -> None:
        drop.with_name("away").rename(drop)

    return back


def replaced_by_a_link(drop: Path) -> Callable[[], None]:
    trap = drop.with_name("trap")
    trap.mkdir()
    (trap / "trapped").write_bytes(mail("trapped"))
    back = moved_away(drop)
    drop.symlink_to(trap)

    def right() -> None:
        drop.unlink()
        back()

    return right


def replaced_by_a_file(drop: Path) -> Callable[[], None]:
    back = moved_away(drop)
    drop.write_bytes(mail("trapped"))

    def right() -> None:
        drop.unlink()
        back()

    return right


def closed(drop: Path) -> Callable[[], None]:
    drop.chmod(0)
    return lambda: drop.chmod(0o755)


def read_only(drop: Path) -> Callable[[], None]:
    drop.chmod(0o555)
    return lambda: drop.chmod(0o755)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (removed, "No such file or directory"),
        (moved_away, "No such file or directory"),
        (replaced_by_a_link, "a symbolic link"),
        (replaced_by_a_file, "Not a directory"),
        (closed, "Permission denied"),
        (read_only, "closed to us, or read-only"),
    ],
)
def test_a_drop_that_goes_wrong_is_told_once_and_taken_up_when_it_is_right_again(
    stage: Stage, break_it: Callable[[Path], Callable[[], None]], reason: str
) -> None:
    name = break_it.__name__
    told, watched = (
        stage.daemon.count(e) for e in ("SpoolUnreachable", "SpoolWatched")
    )

    with stage.lean():
        stage.daemon.signal(signal.SIGSTOP)  # it is to see one change, not two
        make_right = break_it(stage.drop)
        stage.daemon.signal(signal.SIGCONT)
        stage.daemon.wait_for("SpoolUnreachable", told + 1)
        for number in range(3):
            other = f"{name}{number}"
            leave_unseen(stage.daemon.folder / "other" / other, mail(other))
            stage.arrives(other, SOON)
        (event,) = stage.daemon.of("SpoolUnreachable")[told:]
        assert event["MAILDROP_REASON"] == reason
        assert stage.daemon.count("SpoolWatched") == watched
        stage.daemon.signal(signal.SIGSTOP)
        make_right()
        stage.daemon.signal(signal.SIGCONT)
        stage.daemon.wait_for("SpoolWatched", watched + 1)
        stage.good()

    assert stage.daemon.count("SpoolUnreachable") == told + 1
    assert not any("trapped@example.net" in t.recipients for t in stage.server.ledger)


def test_mail_in_a_drop_that_is_closed_waits_there(stage: Stage) -> None:
    """It was nearly set aside as unreadable, every one of it."""
    told = stage.daemon.count("SpoolUnreachable")
    stage.drop.chmod(0)
    stage.daemon.put("waiting", mail("waiting"))
    stage.daemon.wait_for("SpoolUnreachable", told + 1)
    assert (stage.drop / "waiting").exists()
    assert not stage.daemon.of("MessageQuarantined")

    watched = stage.daemon.count("SpoolWatched")
    stage.drop.chmod(0o755)

    stage.daemon.wait_for("SpoolWatched", watched + 1)
    stage.arrives("waiting")


def test_another_directory_in_its_place_is_the_drop_from_then_on(stage: Stage) -> None:
    stage.drop.rename(stage.drop.with_name("former"))
    stage.drop.mkdir()

    stage.good()


def test_mail_of_which_the_kernel_could_not_tell_is_found(tmp_path: Path) -> None:
    """Its queue of events overflows; there is no poll within the hour."""
    mails = 300
    with opened(tmp_path, ONLY_THE_KERNEL) as stage, stage.lean():
        stage.good()
        stage.daemon.signal(signal.SIGSTOP)
        fill_the_queue(stage.drop)
        for number in range(mails):
            stage.daemon.put(f"m{number}", mail(f"m{number}"))
        stage.daemon.signal(signal.SIGCONT)
        stage.server.wait(lambda server: len(server.delivered) > mails, 30)
        stage.good()

    assert len({t.recipients for t in stage.server.delivered}) == mails + 2
    assert len(stage.server.delivered) == mails + 2


def fill_the_queue(folder: Path) -> None:
    """Make so many events that the kernel drops all that follow.

    Of drafts, which nobody looks at; by turns, or the kernel makes them one.
    """
    limit = int(QUEUED.read_text())
    for number in range(limit + 100):
        path = folder / (".one", ".other")[number % 2]
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
