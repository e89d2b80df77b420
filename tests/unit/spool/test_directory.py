# SPDX-License-Identifier: Apache-2.0
"""The drop directory: missing, removed, replaced, closed, or somebody else's."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.edge.spool.directory import DirectoryUnusable, DropDirectory
from maildropd.host.watch import Changes, WatchRefused
from maildropd.mail.service_events import SpoolUnreachable, SpoolWatched, WatchDegraded
from tests.unit.spool.stage import CONTENT, POLL, SETTLE, Stage

RESCAN = Changes(rescan=True)


def test_a_directory_is_watched_before_it_is_looked_through(stage: Stage) -> None:
    """Else a file that comes in between is seen by neither."""
    stage.run()

    (event,) = stage.journal.of(SpoolWatched)
    assert event.watch == f"hand on {stage.path}"
    assert stage.pickup.status() == {
        "name": "drop",
        "path": str(stage.path),
        "works": True,
        "condition": event.watch,
    }


def test_a_directory_that_is_removed_and_made_again_is_found_again(
    stage: Stage,
) -> None:
    stage.run()
    shutil.rmtree(stage.path)
    stage.watch.reports.append(RESCAN)
    for _ in range(3):
        stage.run()
        stage.clock.forward(timedelta(seconds=2))
    (event,) = stage.journal.of(SpoolUnreachable)
    assert event.reason == "No such file or directory"
    assert stage.pickup.status()["condition"] == "No such file or directory"
    stage.path.mkdir()
    stage.write("mail")

    stage.rest()

    assert stage.contents == [CONTENT]
    assert len(stage.journal.of(SpoolWatched)) == 2


def test_a_directory_on_a_failing_disk_is_looked_for_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On XFS nothing can be asked any more; the spool's thread ended by that."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    stage.write("mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        patch.setattr(os, "lstat", fail)
        patch.setattr(os, "stat", fail)
        stage.run()

    (event,) = stage.journal.of(SpoolUnreachable)
    assert event.reason == "Input/output error"
    stage.rest()
    assert stage.contents == [CONTENT]


def test_without_a_report_a_removed_directory_is_noticed_at_the_next_poll(
    stage: Stage,
) -> None:
    stage.run()
    shutil.rmtree(stage.path)

    stage.rest(POLL)
    stage.run()

    assert stage.journal.of(SpoolUnreachable)


def test_a_directory_that_took_the_place_of_another_is_the_drop_now(
    stage: Stage,
) -> None:
    stage.run()
    stage.path.rename(stage.path.with_name("old"))
    stage.path.mkdir()
    stage.write("mail")
    stage.watch.reports.append(RESCAN)

    stage.run()
    stage.rest(SETTLE)

    assert stage.contents == [CONTENT]
    assert stage.journal.of(SpoolUnreachable) == []


def test_what_was_read_before_the_directory_went_is_brought_to_its_end(
    stage: Stage,
) -> None:
    stage.write("mail")
    stage.run()
    old = stage.path.with_name("old")

    def move() -> None:
        stage.path.rename(old)

    stage.store.while_storing = move
    stage.watch.reports.append(RESCAN)
    stage.closed("mail")

    stage.run()

    assert stage.contents == [CONTENT]
    assert os.listdir(old) == []


def test_a_symbolic_link_is_not_followed(stage: Stage) -> None:
    stage.path.rmdir()
    stage.path.symlink_to(stage.path.parent)

    stage.run()

    (event,) = stage.journal.of(SpoolUnreachable)
    assert event.reason == "a symbolic link"


def test_a_file_in_its_place_is_told(stage: Stage) -> None:
    stage.path.rmdir()
    stage.path.touch()

    stage.run()

    assert stage.journal.of(SpoolUnreachable)[0].reason == "Not a directory"


def test_two_daemons_cannot_share_a_drop(stage: Stage) -> None:
    first = DropDirectory(stage.path)
    stage.write("mail")
    stage.run()
    (event,) = stage.journal.of(SpoolUnreachable)
    assert event.reason == "another daemon works in it"

    first.close()
    stage.clock.forward(timedelta(seconds=2))
    stage.run()
    stage.rest()

    assert stage.contents == [CONTENT]


def test_a_directory_that_is_closed_to_us_is_told_and_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files must not be set aside as unreadable, one after the other."""
    stage.run()
    stage.write("mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_, **__: False)
        stage.rest(POLL)
        stage.run()
        (event,) = stage.journal.of(SpoolUnreachable)
        assert event.reason == "closed to us, or read-only"

    stage.rest(POLL)

    assert stage.contents == [CONTENT]


def test_a_look_that_failed_for_a_moment_delays_no_mail_by_a_minute(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descriptors were short for a moment, and mail waited for the next poll."""
    stage.write("mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", too_many_open_files)
        stage.run()
        assert stage.journal.of(SpoolUnreachable)[0].reason == "Too many open files"

    stage.rest(SETTLE)

    assert stage.contents == [CONTENT]


def test_looks_that_go_on_failing_grow_rarer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write("mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", too_many_open_files)
        for _ in range(600):
            stage.rest(timedelta(seconds=1))

    assert 10 <= len(stage.journal.of(SpoolUnreachable)) <= 16


def test_a_directory_closed_between_two_files_is_noticed_at_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.run()
    stage.write("mail")

    def closed(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", closed)
        patch.setattr(os, "access", lambda *_, **__: False)
        stage.closed("mail")
        stage.run()

    assert stage.journal.of(SpoolUnreachable)
    assert stage.names() == ["mail"]


def too_many_open_files(_: object) -> object:
    raise OSError(24, "Too many open files")


def test_a_directory_that_cannot_be_listed_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> object:
        raise OSError(5, "Input/output error")

    stage.write("mail")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", broken)
        stage.run()
        assert stage.journal.of(SpoolUnreachable)[0].reason == "Input/output error"

    stage.rest(POLL)

    assert stage.contents == [CONTENT]


def test_a_check_says_how_the_directory_went_wrong(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    drop = DropDirectory(tmp_path / "drop")
    drop.check()
    (tmp_path / "drop").rmdir()
    with pytest.raises(DirectoryUnusable, match="No such file"):
        drop.check()
    (tmp_path / "drop").mkdir()
    with pytest.raises(DirectoryUnusable, match="replaced"):
        drop.check()
    drop.close()


def test_without_the_kernels_watch_the_directory_is_polled(stage: Stage) -> None:
    stage.watch.refusal = WatchRefused("too many instances")
    stage.write("mail")

    stage.rest()

    assert stage.contents == [CONTENT]
    (event,) = stage.journal.of(WatchDegraded)
    assert event.reason == "too many instances"
    assert stage.pickup.status()["condition"] == "poll (too many instances)"


def test_a_watch_that_was_refused_is_asked_for_again_at_each_poll(
    stage: Stage,
) -> None:
    stage.watch.refusal = WatchRefused("too many instances")
    stage.run()
    stage.rest(POLL)
    stage.watch.refusal = None

    stage.rest(POLL)

    assert len(stage.journal.of(WatchDegraded)) == 1
    assert len(stage.journal.of(SpoolWatched)) == 1
