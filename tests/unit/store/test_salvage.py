# SPDX-License-Identifier: Apache-2.0
"""Out of a damaged store comes what can be read, and the old files stay whole."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId, Submitter, Terms
from maildropd.mail.errors import ContentGone, StoreUnusable
from maildropd.store.base import State
from maildropd.store.connection import connect
from maildropd.store.salvage import salvage
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import leaf_with, scribble
from tests.unit.store.stage import BUSY, NOON, Stage, outcome, submission

MESSAGES = 300
HOUR = timedelta(hours=1)

Opener = Callable[[], Stage]


@pytest.fixture
def opener(tmp_path: Path, clock: FakeClock, journal: FakeJournal) -> Iterator[Opener]:
    opened = []

    def open_it() -> Stage:
        store = SqliteStore(tmp_path, "me", journal, clock, Heartbeats(clock))
        opened.append(store)
        return Stage(store)

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def names(opener: Opener) -> list[QueueId]:
    """The messages of a store at rest."""
    stage = opener()
    names = stage.add_many(MESSAGES)
    stage.store.close()
    return names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


def readable(stage: Stage, names: list[QueueId]) -> list[QueueId]:
    return [name for name in names if stage.recipients(name)]


def test_of_a_whole_store_all_is_saved(opener: Opener, path: Path) -> None:
    stage = opener()
    both = "bob@example.net", "eve@example.net"
    terms = (Terms(notify="NEVER", orcpt="rfc822;b"), Terms(run="|/bin/true"))
    who = Submitter(name="sendmail", uid=0, unit="cron.service", rules="staging")
    mail = submission(*both, key="drop:1", lifetime=HOUR, terms=terms)
    stage.submit(replace(mail, submitter=who, ret="FULL", envid="7"))
    (lease,) = stage.claim()
    stage.settle(outcome(lease, 0, State.DEFERRED, BUSY), outcome(lease, 1, State.HOLD))
    large = stage.submit(submission(content=[b"x" * 300_000])).queue_id
    before = stage.store.list("", 10)
    stage.store.close()

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (2, 0)
    again = opener()
    again.ids = stage.ids
    assert again.store.list("", 10) == before
    assert again.counts() == {State.READY: 1, State.DEFERRED: 1, State.HOLD: 1}
    assert len(again.content(large)) == 300_000
    assert again.submit(submission(key="drop:1")).repeated
    assert not again.submit(submission(key="drop:1"), at=NOON + HOUR).repeated


def test_the_old_files_are_moved_away_whole(names: list[QueueId], path: Path) -> None:
    whole = path.read_bytes()

    folder = salvage(path.parent).folder

    assert folder.name.startswith("damaged-")
    assert folder.name.endswith("-salvaged")
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        "queue.db": whole
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_in_the_log_of_a_crash_is_saved_too(
    names: list[QueueId], path: Path
) -> None:
    with closing(connect(path)) as crashed:
        row = ("drop:9", names[0], 0)
        crashed.execute("INSERT INTO submission VALUES (?, ?, ?, NULL)", row)
        log = path.with_name("queue.db-wal").read_bytes()

        folder = salvage(path.parent).folder

        assert (folder / "queue.db-wal").read_bytes() == log
        with closing(connect(path)) as fresh:
            keys = fresh.execute("SELECT key FROM submission").fetchall()
    assert keys == [("drop:9",)]


def test_where_the_first_page_is_gone_all_is_found(
    names: list[QueueId], path: Path, opener: Opener
) -> None:
    """It says what is where; a new store's says the same."""
    scribble(path, 0)

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (MESSAGES, 0)
    stage = opener()
    assert readable(stage, names) == names
    assert stage.content(names[-1])


@pytest.mark.parametrize("table", ["recipient", "message"])
def test_where_a_page_is_gone_its_messages_are_counted_and_the_others_saved(
    table: str, names: list[QueueId], path: Path, opener: Opener
) -> None:
    address = {"recipient": "bob@example.net", "message": "ann@example.org"}[table]
    spoiled, rows = leaf_with(path, names[MESSAGES // 2], address)
    there = {name for name in names if any(name.encode() in row[:32] for row in rows)}
    assert 1 < len(there) < MESSAGES / 2
    scribble(path, spoiled)

    found = salvage(path.parent)

    stage = opener()
    saved = readable(stage, names)
    lost = set(names) - set(saved)
    assert there <= lost
    assert len(lost - there) <= 2  # the rows above, from which it is entered
    assert (found.messages, found.unreadable) == (len(saved), len(lost))
    assert stage.counts() == {State.READY: len(saved)}
    assert len(stage.claim(MESSAGES, NOON)) == len(saved)


def test_where_no_message_can_be_read_an_empty_store_is_begun(
    names: list[QueueId], path: Path, opener: Opener
) -> None:
    for at in range(4096, path.stat().st_size, 4096):
        scribble(path, at)

    assert salvage(path.parent).messages == 0

    stage = opener()
    assert stage.counts() == {}
    assert stage.add()


def test_a_message_without_its_content_is_saved_to_be_seen(
    names: list[QueueId], path: Path, opener: Opener
) -> None:
    with closing(connect(path)) as database:
        database.execute("DELETE FROM content")

    assert salvage(path.parent).messages == MESSAGES

    stage = opener()
    with pytest.raises(ContentGone):
        stage.content(names[0])


@pytest.mark.parametrize("table", ["message", "recipient"])
def test_halves_of_a_message_are_counted_and_not_saved(
    table: str, names: list[QueueId], path: Path
) -> None:
    with closing(connect(path)) as database:
        database.execute(f"DELETE FROM {table} WHERE queue_id = ?", names[:1])

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (MESSAGES - 1, 1)


def test_a_name_that_cannot_be_is_counted_and_the_others_saved(
    names: list[QueueId], path: Path
) -> None:
    with closing(connect(path)) as database:
        for table in ("message", "recipient"):
            change = f"UPDATE {table} SET queue_id = '!' WHERE queue_id = ?"
            database.execute(change, names[:1])

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (MESSAGES - 1, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE recipient SET state = 'hold' WHERE queue_id = ?",
        "UPDATE recipient SET queue_id = '01234567890123456789' WHERE queue_id = ?",
    ],
)
def test_a_row_that_a_new_store_does_not_take_leaves_no_half_of_its_message(
    spoil: str, names: list[QueueId], path: Path, opener: Opener
) -> None:
    """Without recipients it would stay for ever, and never be sent."""
    with closing(connect(path)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(spoil, names[:1])
        if "01234" in spoil:
            change = spoil.replace("recipient", "message")
            database.execute(change, names[:1])

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (MESSAGES - 1, 1)
    views = opener().store.list("", MESSAGES)
    assert [view.envelope.queue_id for view in views] == names[1:]


def test_a_store_whose_tables_lie_otherwise_than_usual_ends_in_an_orderly_way(
    names: list[QueueId], path: Path
) -> None:
    """After a VACUUM by hand; what is read then can be of any kind."""
    with closing(connect(path)) as database:
        database.execute("VACUUM")
    scribble(path, 0)

    found = salvage(path.parent)

    assert found.unreadable > 0
    assert (found.folder / "queue.db").exists()


def test_a_store_in_use_is_left_alone(opener: Opener, path: Path) -> None:
    opener().add()

    with pytest.raises(StoreUnusable, match="another maildropd uses"):
        salvage(path.parent)

    assert list(path.parent.glob("damaged-*")) == []


def test_a_salvage_lets_go_of_the_lock(names: list[QueueId], path: Path) -> None:
    folder = salvage(path.parent).folder
    folder.rename(path.parent / "first")  # of the same second

    assert salvage(path.parent).messages == MESSAGES
