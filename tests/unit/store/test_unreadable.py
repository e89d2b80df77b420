# SPDX-License-Identifier: Apache-2.0
"""A message that cannot be read is told once, left alone, and stops no other."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Priority
from maildropd.mail.store_events import MessageUnreadable, StoreDamaged
from maildropd.store import unreadable
from maildropd.store.sqlite import SqliteStore
from maildropd.store.unreadable import Unreadable
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import leaf_with, scribble
from tests.unit.store.stage import Stage

MESSAGES = 350
ID = "5CBPRENWJ000"

Spoiled = Callable[[str], Stage]


@pytest.fixture
def known(journal: FakeJournal) -> Unreadable:
    return Unreadable(journal)


def broken(code: int = sqlite3.SQLITE_CORRUPT) -> bool:
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = code
    raise error


def test_a_damaged_row_is_told_once_and_not_read_again(
    known: Unreadable, journal: FakeJournal
) -> None:
    with pytest.raises(sqlite3.DatabaseError):
        known.guard(ID, broken)
    assert known.has_news()

    assert known.guard(ID, broken) is None
    known.add(ID, "again")

    (event,) = journal.events
    assert event == MessageUnreadable(queue_id=ID, reason="malformed")
    assert event.priority == Priority.CRITICAL
    assert event.text() == f"{ID}: left alone, the store is damaged (malformed)"
    assert json.loads(known.ids) == [ID]
    assert not known.has_news()


def test_a_row_that_can_be_read_is_trusted(known: Unreadable) -> None:
    assert known.guard(ID, lambda: 7) == 7
    assert known.guard_content(ID, lambda: True)
    assert known.ids == ""
    assert not known.has_news()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
def test_other_trouble_is_not_the_fault_of_the_message(
    code: int, known: Unreadable, journal: FakeJournal
) -> None:
    """It will be well again when the disk is."""
    for guard in (known.guard, known.guard_content):
        with pytest.raises(sqlite3.DatabaseError):
            guard(ID, lambda: broken(code))

    assert journal.events == []
    assert not known.has_news()


def test_a_content_that_cannot_be_removed_is_left_and_the_message_goes(
    known: Unreadable, journal: FakeJournal
) -> None:
    """That it was delivered must be on record, or it is sent again."""
    with pytest.raises(sqlite3.DatabaseError):
        known.guard_content(ID, broken)

    assert not known.guard_content(ID, broken)
    assert known.guard(ID, lambda: 7) == 7
    assert journal.events == [
        MessageUnreadable(queue_id=ID, reason="its content: malformed")
    ]
    assert known.ids == ""


def test_no_more_is_remembered_than_fits_into_memory(
    known: Unreadable, journal: FakeJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable, "_MOST", 2)

    for queue_id in "ABC":
        known.add(queue_id, "bad")

    assert json.loads(known.ids) == ["A", "B"]
    assert len(journal.events) == 2


@pytest.fixture
def spoiled(
    tmp_path: Path, clock: FakeClock, journal: FakeJournal
) -> Iterator[Callable[[str], Stage]]:
    """Open a store of many messages, of which one page is noise."""
    opened = []

    def open_it() -> Stage:
        store = SqliteStore(tmp_path, "me", journal, clock, Heartbeats(clock))
        opened.append(store)
        return Stage(store)

    def open_spoiled(address: str) -> Stage:
        path = tmp_path / "queue.db"
        stage = open_it()
        names = stage.add_many(MESSAGES)
        stage.store.close()
        at, _ = leaf_with(path, names[MESSAGES // 2], address)
        scribble(path, at)
        stage = open_it()
        stage.ids = iter([QueueId("7ZZZZZZZZZZZ")])
        return stage

    yield open_spoiled
    for store in opened:
        store.close()


@pytest.mark.parametrize("address", ["ann@example.org", "bob@example.net"])
def test_the_messages_of_a_spoiled_page_stop_no_other(
    address: str, spoiled: Spoiled, journal: FakeJournal
) -> None:
    stage = spoiled(address)
    new = stage.add()

    leases = stage.claim(MESSAGES + 1)
    found = {lease.envelope.queue_id for lease in leases}
    assert new in found
    assert MESSAGES / 2 < len(found) < MESSAGES
    kept = {one.queue_id for lease in leases for one in stage.deliver(lease).lost}

    told = [event.queue_id for event in journal.of(MessageUnreadable)]
    assert len(found | set(told)) == MESSAGES + 1
    assert len(told) == len(set(told))
    assert kept <= set(told)  # where to remove one, the spoiled page is needed
    assert len(journal.of(StoreDamaged)) == 1
    assert stage.claim() == []
    assert stage.store.next_due() is None
