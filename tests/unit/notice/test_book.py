# SPDX-License-Identifier: Apache-2.0
"""What is on record is read as it was written, by one at a time."""

import fcntl
import os
from pathlib import Path

import pytest

from maildropd.notice.book import Book
from maildropd.notice.tally import Ledger, Tally
from tests.unit.notice.stage import HOUR, NOON, failed

UNITS = ["a.service", r"b@\x2d.service", "x" * 247 + ".service"]


def tally(unit: str) -> Tally:
    record = Tally(
        opened=NOON, closes=NOON + HOUR, window=HOUR, latest=failed(unit), first=NOON
    )
    return record.plus(failed(unit)).plus(failed(unit, status="2"))


def test_the_next_process_reads_what_was_written(tmp_path: Path) -> None:
    ledger = Ledger(mailed=(NOON, NOON + HOUR), unrecorded=3)
    with Book(tmp_path).open() as pages:
        for unit in UNITS:
            pages.write(tally(unit))
        pages.write_ledger(ledger)

    with Book(tmp_path).open() as pages:
        assert pages.known() == 3
        assert {found.unit: found for found in pages.tallies()} == {
            unit: tally(unit) for unit in UNITS
        }
        assert pages.tally(UNITS[1]) == tally(UNITS[1])
        assert pages.ledger() == ledger


def test_an_empty_record_knows_nothing(tmp_path: Path) -> None:
    with Book(tmp_path).open() as pages:
        assert (pages.known(), list(pages.tallies())) == (0, [])
        assert pages.tally("a.service") is None
        assert pages.ledger() == Ledger()


def test_when_nothing_is_counted_nothing_is_to_be_seen(tmp_path: Path) -> None:
    """The timer asks with ConditionDirectoryNotEmpty=, which skips hidden names."""
    with Book(tmp_path).open() as pages:
        pages.write(tally("a.service"))
        pages.write_ledger(Ledger(mailed=(NOON,)))
        pages.forget("a.service")
        pages.forget("a.service")

    assert [name for name in os.listdir(tmp_path) if name[0] != "."] == []


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"[]", b"\xff", b"7", b'{"latest": {"at": "x"}}', b"{}"]
)
def test_a_page_that_cannot_be_read_is_not_there(tmp_path: Path, octets: bytes) -> None:
    with Book(tmp_path).open() as pages:
        pages.write(tally("a.service"))
        (page,) = (name for name in os.listdir(tmp_path) if name[0] != ".")
        (tmp_path / page).write_bytes(octets)
        (tmp_path / ".ledger").write_bytes(octets)

        assert pages.tally("a.service") is None
        assert pages.ledger() == Ledger()
        assert list(pages.tallies()) == []
        assert pages.known() == 0


def test_only_one_at_a_time_has_the_record_open(tmp_path: Path) -> None:
    other = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        with Book(tmp_path).open(), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
