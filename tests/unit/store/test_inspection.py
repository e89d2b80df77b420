# SPDX-License-Identifier: Apache-2.0
"""What a store is refused for before it is opened; the look changes nothing."""

import shutil
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.mail.errors import StoreRefused, StoreUnusable
from maildropd.store.connection import connect
from maildropd.store.inspection import Damaged, inspect
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema
from tests.unit.store.disk import PAGE, changed, scribble

SCHEMA = Schema.current()
HEADER = 32
FRAME = 24 + PAGE
COMMITS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole store at rest."""
    path = tmp_path / "queue.db"
    open_database(path, SCHEMA)[0].close()
    return path


@pytest.fixture
def log(path: Path) -> Path:
    """The log that a crash has left, of one frame a commit."""
    away = path.with_name("away")
    away.mkdir()
    with closing(connect(path)) as connection:
        for number in range(COMMITS):
            row = (f"key{number}", "4XK2", number)
            connection.execute("INSERT INTO submission VALUES (?, ?, ?, NULL)", row)
        for name in ("queue.db", "queue.db-wal"):
            shutil.copy(path.with_name(name), away)
    for name in ("queue.db", "queue.db-wal"):
        away.joinpath(name).rename(path.with_name(name))
    away.rmdir()
    log = path.with_name("queue.db-wal")
    assert log.stat().st_size == HEADER + COMMITS * FRAME
    return log


def everything(path: Path) -> dict[str, bytes]:
    files = [each for each in path.parent.rglob("*") if each.is_file()]
    return {str(each): each.read_bytes() for each in files}


def refused(path: Path, why: str, kind: type[StoreUnusable] = Damaged) -> None:
    before = everything(path)

    with pytest.raises(StoreUnusable, match=why) as caught:
        inspect(path, SCHEMA)

    assert type(caught.value) is kind
    assert everything(path) == before


def passes(path: Path) -> None:
    before = everything(path)
    inspect(path, SCHEMA)
    assert everything(path) == before


def cut(size: int) -> Callable[[bytearray], None]:
    def cut(octets: bytearray) -> None:
        del octets[size:]

    return cut


def test_a_whole_store_passes_and_is_left_as_it_is(path: Path) -> None:
    passes(path)


def test_the_log_of_a_crash_passes_and_stays_where_it_is(path: Path, log: Path) -> None:
    """SQLite would bring it into the file, and nobody could look at it any more."""
    passes(path)


def test_a_store_that_never_was_may_be_begun(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()

    inspect(tmp_path / "queue.db", SCHEMA)


@pytest.mark.parametrize("left", ["queue.db-wal", "content/0123456789AB"])
def test_a_store_of_which_only_the_mail_is_left_is_missed(
    left: str, tmp_path: Path
) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / left).write_bytes(b"mail")

    with pytest.raises(StoreRefused, match="is gone, and there is mail that belongs"):
        inspect(tmp_path / "queue.db", SCHEMA)


def test_what_is_left_empty_is_no_mail(tmp_path: Path) -> None:
    (tmp_path / "queue.db-wal").touch()

    inspect(tmp_path / "queue.db", SCHEMA)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (0, "queue.db is empty, and never was when it was whole"),
        (1, "is not a database, or it is damaged"),
        (15, "is not a database, or it is damaged"),
        (99, r"is damaged: .* \(SQLITE_"),
        (100, r"was cut, from \d+ octets to 100$"),
        (2 * PAGE, r"was cut, from \d+ octets to 8192$"),
    ],
)
def test_a_store_that_was_cut_is_not_taken_for_an_empty_one(
    size: int, why: str, path: Path
) -> None:
    changed(path, cut(size))

    refused(path, why)


def test_a_store_cut_by_one_octet_is_noticed(path: Path) -> None:
    whole = path.stat().st_size
    changed(path, cut(whole - 1))

    refused(path, f"was cut, from {whole} octets to {whole - 1}")


def test_a_size_that_older_programs_have_not_kept_means_nothing(path: Path) -> None:
    """The format has a counter that says whether the size in the header holds."""

    def age(octets: bytearray) -> None:
        octets[24:28] = struct.pack(">I", 77)
        octets[28:32] = struct.pack(">I", 1000)

    changed(path, age)

    passes(path)


def test_noise_at_the_beginning_is_no_database(path: Path) -> None:
    scribble(path, 0, 16)

    refused(path, "queue.db is not a database, or it is damaged")


def test_noise_in_the_schema_is_damage(path: Path) -> None:
    scribble(path, 100, 512)

    refused(path, r"queue.db is damaged: .* \(SQLITE_")


@pytest.mark.parametrize("at", [0, 8, 24])
def test_a_log_that_is_wrong_at_its_beginning_is_not_an_empty_one(
    at: int, path: Path, log: Path
) -> None:
    """SQLite would throw away all that is in it."""
    scribble(log, at, 8)

    refused(path, "queue.db-wal is damaged at its beginning")


def test_a_log_that_is_wrong_in_its_middle_is_not_a_short_one(
    path: Path, log: Path
) -> None:
    """All that follows was committed, and acknowledged."""
    scribble(log, HEADER + FRAME + 100, 8)

    refused(path, "queue.db-wal is damaged after its frame 1, 3 commits follow")


def test_a_log_whose_last_commit_is_wrong_is_what_a_power_cut_leaves(
    path: Path, log: Path
) -> None:
    scribble(log, HEADER + (COMMITS - 1) * FRAME + 100, 8)

    passes(path)


def test_a_log_that_ends_in_a_frame_is_what_a_power_cut_leaves(
    path: Path, log: Path
) -> None:
    changed(log, cut(HEADER + 3 * FRAME + 1000))

    passes(path)


@pytest.mark.parametrize("octets", [b"", b"\x37\x7f\x06", bytes(HEADER), bytes(PAGE)])
def test_a_log_to_which_nothing_was_committed_is_none(
    octets: bytes, path: Path
) -> None:
    path.with_name("queue.db-wal").write_bytes(octets)

    passes(path)


def test_zeros_after_the_last_frame_are_blocks_that_are_held(
    path: Path, log: Path
) -> None:
    with log.open("ab") as file:
        file.write(bytes(10 * FRAME))

    passes(path)


def test_a_checkpoint_that_broke_off_is_no_cut(path: Path) -> None:
    """The header says what is true once the rest of the log is in the file."""
    log = path.with_name("queue.db-wal")
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO content VALUES (1, zeroblob(100000))")
        grown = log.read_bytes()
        connection.execute("PRAGMA wal_checkpoint")
    changed(path, cut(path.stat().st_size - 2 * PAGE))
    log.write_bytes(grown)

    passes(path)


def test_the_index_of_a_store_that_somebody_looks_at_is_left(path: Path) -> None:
    """To remove it under SQLite's feet would damage what is whole."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
        index = path.with_name("queue.db-shm")
        inode = index.stat().st_ino

        inspect(path, SCHEMA)

        assert index.stat().st_ino == inode
