# SPDX-License-Identifier: Apache-2.0
"""Files that change under our hands; each version is a mail, or none."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maildropd.edge.spool.sight import Sight
from maildropd.host import durable
from maildropd.mail.errors import StoreFull
from maildropd.mail.events import FileLeftAlone, MessageQuarantined
from maildropd.mail.service_events import InternalError
from tests.unit.spool.stage import CONTENT, MAIL, POLL, Stage

OTHER = b"##To:other@x\nother\n"
LARGE = b"##To:bob@x\n" + b"x" * 600_000


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 300_000)


def rewrite(path: Path) -> None:
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, (1, 1))


def replace(path: Path) -> None:
    path.with_name(".new").write_bytes(OTHER)
    path.with_name(".new").rename(path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
@pytest.mark.parametrize("content", [MAIL, LARGE])
def test_what_changed_while_it_was_read_is_not_stored(
    stage: Stage, change: Callable[[Path], None], content: bytes
) -> None:
    path = stage.write("mail", content)
    stage.run()
    stage.store.before_reading = lambda: change(path)

    stage.closed("mail")

    assert stage.contents == []
    assert stage.names() == ["mail"]
    assert stage.journal.of(InternalError) == []


@pytest.mark.parametrize("change", [grow, shrink, rewrite, replace])
def test_a_file_that_changed_after_it_was_read_stays(
    stage: Stage, change: Callable[[Path], None]
) -> None:
    """What its writer left meanwhile is another mail, and must not be lost."""
    path = stage.write("mail", MAIL * 10_000)
    stage.store.while_storing = lambda: change(path)

    stage.closed("mail")
    stage.store.while_storing = lambda: None

    assert len(stage.contents) == 1
    assert stage.names() == ["mail"]


def on_another_disk(status: os.stat_result) -> os.stat_result:
    """Return what the same file shows when its disk has another number."""
    made: Any = status.__reduce__()
    numbers, rest = made[1]
    return os.stat_result((*numbers[:2], numbers[2] + 1, *numbers[3:]), rest)


def test_a_mail_that_takes_the_name_of_another_is_stored_too(stage: Stage) -> None:
    path = stage.write("mail")
    stage.run()
    stage.store.while_storing = lambda: replace(path)
    stage.closed("mail")
    stage.store.while_storing = lambda: None

    stage.closed("mail")

    assert stage.contents == [CONTENT, b"other\n"]
    assert stage.names() == []


def test_a_file_that_somebody_removed_meanwhile_is_stored_and_forgotten(
    stage: Stage,
) -> None:
    path = stage.write("mail")
    stage.store.while_storing = lambda: remove(path)

    stage.closed("mail")

    assert stage.contents == [CONTENT]
    assert stage.store.keys == set()


def test_what_was_stored_before_a_crash_is_not_stored_again(stage: Stage) -> None:
    """The crash came after the commit, and before the file was removed.

    The disk may have another number when the machine is up again.
    """
    path = stage.write("mail")
    before = Sight(b"mail", on_another_disk(os.stat(path)))
    stage.store.keys.add(f"drop:drop:{before.key}")

    stage.closed("mail")

    assert stage.contents == []
    assert not path.exists()
    assert stage.store.keys == set()


def test_two_spools_have_no_key_in_common(stage: Stage) -> None:
    """Two disks use the same inode numbers, and a clock ticks for both."""
    stage.write("mail")
    stage.closed("mail")
    stage.restart(name="other")
    stage.write("mail")
    stage.closed("mail")

    spools = [(taken.key or "").split(":")[1] for taken in stage.store.taken]
    assert spools == ["drop", "other"]


def test_a_key_is_forgotten_only_after_the_file_is_gone_for_good(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that cannot be synced may bring the file back."""
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(5, "I/O error")

    stage.write("mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        stage.closed("mail")
    assert len(calls) == 1
    assert len(stage.store.keys) == 1
    stage.write("next")

    stage.closed("next")

    assert stage.store.keys == set()


def test_a_key_is_kept_when_the_disk_dies_and_says_that_all_is_well(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XFS does; the file came back after the repair, and was sent again."""

    def fstat(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    dead = SimpleNamespace(fsync=lambda directory: None, fstat=fstat)
    stage.write("mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(durable, "os", dead)
        stage.closed("mail")

    assert len(stage.store.keys) == 1


def test_a_new_file_that_looks_like_the_last_waits_until_that_is_forgotten(
    stage: Stage,
) -> None:
    """An inode number is used again at once; the store would see a repetition."""
    first = Sight(b"one", os.stat(stage.write("one")))
    stage.run()
    stage.store.before_forgetting = Future()
    stage.closed("one")
    stage.store.before_forgetting.set_exception(StoreFull("full"))
    sight = Sight(b"two", os.stat(stage.write("two")))
    sight.key = first.key  # as if all its numbers were the same
    stage.pickup._taker.take(sight, told=True)
    stage.run()
    assert stage.store.submissions == 1
    stage.store.before_forgetting = None
    stage.rest()

    assert stage.contents == [CONTENT, CONTENT]
    assert stage.store.keys == set()


def test_a_key_tells_a_copy_from_its_original(stage: Stage) -> None:
    """``cp -p`` gives it the same time and size, a freed inode the same number."""
    path = stage.write("mail")
    before = Sight(b"mail", os.stat(path))
    while before.status.st_ctime_ns == os.stat(path).st_ctime_ns:
        path.chmod(0o600)

    after = Sight(b"mail", os.stat(path))

    assert before.key != after.key
    assert before.is_same(after.status)


@pytest.mark.parametrize("trap", ["symlink", "fifo", "other"])
def test_what_took_the_name_between_look_and_open_is_not_read(
    stage: Stage, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stage.write("mail")
    seen = Sight(b"mail", os.stat(path))
    stage.run()
    path.rename(stage.path.parent / "moved")
    match trap:
        case "symlink":
            path.symlink_to(stage.path.parent / "moved")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_bytes(OTHER)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", lambda *_: pytest.fail("it was read"))
        stage.pickup._taker.take(seen, told=True)
    stage.pickup._taker.settle()

    assert stage.contents == []
    assert stage.names() == ["mail"]


def test_a_file_that_cannot_be_removed_is_stored_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    stage.write("mail")
    stage.run()
    monkeypatch.setattr(os, "unlink", unlink)

    stage.closed("mail")
    stage.rest(POLL)
    stage.rest(POLL)

    assert stage.contents == [CONTENT]
    (left,) = stage.journal.of(FileLeftAlone)
    assert left.reason == "stored, but it cannot be removed (Read-only file system)"


def test_a_half_written_file_is_not_set_aside(stage: Stage) -> None:
    """A shell closes the file between two lines of a script."""
    stage.write("mail", b"##To:bob@example.net\n")
    stage.closed("mail")
    with (stage.path / "mail").open("ab") as file:
        file.write(CONTENT)

    stage.closed("mail")
    stage.rest()

    assert stage.contents == [CONTENT]
    assert stage.journal.of(MessageQuarantined) == []


@pytest.mark.parametrize("size", [0, 10])
def test_a_file_that_became_empty_or_short_is_read_again_later(
    stage: Stage, size: int
) -> None:
    path = stage.write("mail", LARGE)
    seen = Sight(b"mail", os.stat(path))
    stage.run()
    os.truncate(path, size)

    stage.pickup._taker.take(seen, told=True)

    assert stage.contents == []
    assert stage.journal.of(MessageQuarantined) == []
