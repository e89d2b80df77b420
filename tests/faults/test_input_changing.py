# SPDX-License-Identifier: Apache-2.0
"""Files that change while they are read: what is sent is one version, whole.

The kernel says when the daemon has begun to read; then it is stopped, and the
file is changed under it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.input_eyes import Eyes
from tests.faults.input_stage import CONFIG, MB, PATIENCE, Stage, opened, wire

SLOW = """
[spool slow]
path = slow
quarantine = slow-quarantine
settle_time = 3s
lock_expiry = 3s
poll_interval = 100ms
[spool growing]
path = growing
settle_time = 1h
poll_interval = 100ms
[spool half]
path = half
settle_time = 1h
poll_interval = 100ms
"""
SIZE = 12 * MB
NEW = b"Subject: new\n\nAnother mail.\n"
CATCHES = 10


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("changing"), CONFIG + SLOW) as stage:
        yield stage


def mail(name: str, content: bytes) -> bytes:
    return b"##To:%s@example.net\n##From:app@example.org\n" % name.encode() + content


def old(size: int = SIZE) -> bytes:
    line = b"The first version. " * 50 + b"\n"
    return b"Subject: old\n\n" + line * (size // len(line))


def caught_reading(stage: Stage, kind: str) -> Path:
    """Leave a large mail, and stop the daemon when it has read a part of it."""
    for number in range(CATCHES):
        name = f"{kind}-{number}"
        stopped = threading.Event()

        def stop(stopped: threading.Event = stopped) -> None:
            stage.daemon.signal(signal.SIGSTOP)
            # Until it stands still, what it has open comes and goes.
            os.waitid(os.P_PID, stage.daemon.pid, os.WSTOPPED | os.WNOWAIT)
            stopped.set()

        stage.eyes.when_read(name, stop)
        stage.daemon.put(name, mail(name, old()))
        assert stopped.wait(PATIENCE)
        if 0 < _place_in(stage.daemon.pid, stage.drop / name) < SIZE:
            return stage.drop / name
        stage.daemon.signal(signal.SIGCONT)
    pytest.fail("the daemon was never caught")


def _place_in(pid: int, path: Path) -> int:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(entry) == str(path):
            text = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
            return int(text.split()[1])
    return 0


def let_rest(stage: Stage, spool: str) -> None:
    """Take for at rest what lies in a drop, however slow its writer was before."""
    path = stage.daemon.folder / "maildropd.conf"
    settled = f"path = {spool}\nsettle_time = 0\n"
    text = path.read_text().replace(f"path = {spool}\nsettle_time = 1h\n", settled)
    assert settled in text
    path.write_text(text)
    assert stage.daemon.control("reload").returncode == 0


def grow(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"and more\n")
    return old() + b"and more\n"


def shrink(path: Path) -> bytes:
    less = old(5 * MB)
    os.truncate(path, len(mail(path.name, less)))
    return less


def rewrite(path: Path) -> bytes:
    content = old().replace(b"first", b"third")
    with path.open("r+b") as file:
        file.write(mail(path.name, content))
    return content


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_mail_that_changes_while_it_is_read_is_sent_as_it_is_then(
    stage: Stage, change: Callable[[Path], bytes]
) -> None:
    path = caught_reading(stage, change.__name__)

    with stage.bounded(path.name, reads=3):
        content = change(path)
        stage.daemon.signal(signal.SIGCONT)
        stage.delivered(path.name, path.name, wire(content))


def test_a_mail_that_is_emptied_while_it_is_read_is_set_aside(stage: Stage) -> None:
    path = caught_reading(stage, "emptied")

    with stage.bounded(path.name, reads=3):
        os.truncate(path, 0)
        stage.daemon.signal(signal.SIGCONT)
        stage.quarantined(path.name, "it is empty")

    assert _delivered(stage, path.name) == 0


def test_a_mail_that_is_replaced_while_it_is_read_is_sent_and_so_is_the_new_one(
    stage: Stage,
) -> None:
    """Both were whole, and nobody took the first one back."""
    path = caught_reading(stage, "replaced")

    with stage.bounded(path.name, reads=3):
        (stage.drop / ".new").write_bytes(mail("the-new-one", NEW))
        (stage.drop / ".new").rename(path)
        stage.daemon.signal(signal.SIGCONT)
        stage.delivered(path.name, path.name, wire(old()))
        stage.delivered(path.name, "the-new-one", wire(NEW))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "it is a symbolic link"),
        (os.mkfifo, "it is a pipe"),
    ],
)
def test_a_mail_that_is_replaced_by_a_trap_is_sent_and_the_trap_set_aside(
    stage: Stage, make: Callable[[Path], None], reason: str
) -> None:
    path = caught_reading(stage, reason.rsplit(maxsplit=1)[-1])

    with stage.bounded(path.name, reads=2):
        make(stage.drop / ".trap")
        (stage.drop / ".trap").rename(path)
        stage.daemon.signal(signal.SIGCONT)
        assert stage.arrives(path.name).content == wire(old())
        stage.quarantined(path.name, reason)


def test_a_mail_that_is_removed_while_it_is_read_is_sent_once(stage: Stage) -> None:
    path = caught_reading(stage, "removed")

    with stage.bounded(path.name):
        path.unlink()
        stage.daemon.signal(signal.SIGCONT)
        stage.delivered(path.name, path.name, wire(old()))


def test_a_mail_that_is_locked_while_it_is_read_waits(stage: Stage) -> None:
    path = caught_reading(stage, "locked")

    with stage.bounded(path.name, reads=3):
        lock = path.with_name(path.name + ".lck")
        lock.touch()
        stage.daemon.signal(signal.SIGCONT)
        stage.polls(2)
        assert path.exists()
        assert _delivered(stage, path.name) == 0
        lock.unlink()
        stage.delivered(path.name, path.name, wire(old()))


def test_a_mail_that_grows_for_long_is_not_read_before_it_is_at_rest(
    stage: Stage,
) -> None:
    """Its writer neither locks it nor gives it its name last."""
    path = stage.daemon.folder / "growing" / "growing"
    content = b"Subject: x\n\n"
    pace = threading.Event()

    file = path.open("wb", buffering=0)
    with stage.lean(), Eyes(path.parent) as eyes:
        with file:
            file.write(mail("growing", content))
            for _ in range(15):
                file.write(b"A line.\n")
                content += b"A line.\n"
                pace.wait(0.1)
            assert eyes.opened("growing") == 0
        stage.good()
        let_rest(stage, "growing")
        taken = stage.arrives("growing")
        assert eyes.opened("growing") == 1

    assert taken.content == wire(content)


def test_a_lock_that_was_left_behind_holds_its_mail_for_a_time_and_no_other(
    stage: Stage,
) -> None:
    """It wedged zope.sendmail for hours, and let Postal delete the mail."""
    slow = stage.daemon.folder / "slow"

    with stage.lean(), Eyes(slow) as eyes:
        (slow / "wedged.lck").touch()
        (slow / ".wedged").write_bytes(mail("wedged", NEW))
        (slow / ".wedged").rename(slow / "wedged")
        stage.good()
        stage.event("LockAbandoned", "wedged")
        event = stage.event("MessageQuarantined", "wedged")
        assert eyes.opened("wedged") == 0

    place = Path(event["MAILDROP_QUARANTINE"])
    assert place.read_bytes() == mail("wedged", NEW)
    assert _delivered(stage, "wedged") == 0


def test_half_a_mail_that_makes_no_sense_yet_is_left_for_its_second_half(
    stage: Stage,
) -> None:
    path = stage.daemon.folder / "half" / "half"
    whole = mail("half", b"Subject: x\n\nA line.\n")

    with stage.lean():
        path.write_bytes(whole[:4])
        stage.polls(2)
        with path.open("ab") as file:
            file.write(whole[4:])
        let_rest(stage, "half")
        taken = stage.arrives("half")

    assert taken.content == b"Subject: x\r\n\r\nA line.\r\n"
    assert stage.told("half") == 0


def _delivered(stage: Stage, name: str) -> int:
    path = f"{name}@example.net"
    return sum(path in taken.recipients for taken in stage.server.delivered)
