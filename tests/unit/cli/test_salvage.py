# SPDX-License-Identifier: Apache-2.0
"""``maildropctl salvage`` says what was saved, what not, and where the rest is."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.store.connection import connect
from tests.unit.cli.talk import Ctl
from tests.unit.control.queues import a_queue


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    """The command makes its files for nobody else; later tests have their own."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(("number", "words"), [(1, "1 message"), (3, "3 messages")])
def test_what_was_saved_is_counted(
    number: int, words: str, folder: Path, ctl: Ctl
) -> None:
    with a_queue(folder) as queue:
        names = queue.add_many(number)

    said = ctl("salvage")

    (old,) = (folder / "state").glob("damaged-*")
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{words} saved\nthe old files are in {old}\n"
    listed = ctl("queue").out
    assert all(name in listed for name in names)
    assert os.umask(0o077) == 0o077


def test_what_could_not_be_read_is_counted_too(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = queue.add_many(3)
    with closing(connect(folder / "state" / "queue.db")) as database:
        database.execute("DELETE FROM message WHERE queue_id = ?", names[:1])

    said = ctl("salvage")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[:2] == ["2 messages saved", "1 message could not be read"]


def test_it_refuses_while_a_daemon_has_the_store(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        queue.add()
        said = ctl("salvage")

    state = folder / "state"
    assert (said.code, said.out) == (1, "")
    assert said.err == f"{state}: another maildropd uses {state}\n"
    assert list(state.glob("damaged-*")) == []


def test_without_a_store_there_is_nothing_to_save(folder: Path, ctl: Ctl) -> None:
    said = ctl("salvage")

    assert said.code == 1
    assert said.err == f"{folder}/state: there is no store\n"
    assert not (folder / "state").exists()


def test_what_the_disk_refuses_is_said_without_a_traceback(
    folder: Path, ctl: Ctl
) -> None:
    (folder / "state" / "queue.db").mkdir(parents=True)

    said = ctl("salvage")

    assert said.code == 1
    assert said.err.startswith(f"{folder}/state: ")
    assert "Is a directory" in said.err


def test_a_configuration_that_is_wrong_is_told_and_nothing_is_touched(
    folder: Path, ctl: Ctl
) -> None:
    """It may be the one that says where the queue is."""
    (folder / "state").mkdir()
    (folder / "maildropd.conf").write_text("[quee]\n")

    said = ctl("salvage")

    assert (said.code, said.out) == (78, "")
    assert "unknown section" in said.err
    assert list((folder / "state").iterdir()) == []
