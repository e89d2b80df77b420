# SPDX-License-Identifier: Apache-2.0
"""A store that an older version left keeps its mail, and learns what is new."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.clock import Mark
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import DEFAULT_TERMS, QueueId, Submitter, Terms
from maildropd.mail.service_events import StoreMigrated
from maildropd.store.base import State
from maildropd.store.salvage import salvage
from maildropd.store.schema import Schema
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.disk import scribble
from tests.unit.store.stage import BUSY, NOON, REFUSED, WAIT, Stage, submission

TABLES = Path(__file__).with_name("schema_2.sql")
# What version 1 had not.
SECOND = "DROP TABLE clock; DROP TABLE run; PRAGMA user_version = 1;"
SENT = QueueId("5CBPRENWJ000")
BOUNCE = QueueId("5CBPRGJXP000")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture(params=[1, 2, 3])
def version(request: pytest.FixtureRequest, path: Path) -> int:
    """Lay down a store of this version."""
    version: int = request.param
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(TABLES.read_text() + (SECOND if version == 1 else ""))
        if version == 3:
            third = [*Schema.current().steps[2], "PRAGMA user_version = 3"]
            old.executescript(";".join(third))
    return version


@pytest.fixture
def stage(
    version: int, path: Path, clock: FakeClock, journal: FakeJournal
) -> Iterator[Stage]:
    """Open it."""
    store = SqliteStore(path.parent, "me", journal, clock, Heartbeats(clock))
    stage = Stage(store)
    for _ in "three are taken":
        next(stage.ids)
    yield stage
    store.close()


def test_a_store_of_an_older_version_keeps_its_mail(
    version: int, stage: Stage, journal: FakeJournal
) -> None:
    told = [(each.old, each.new) for each in journal.of(StoreMigrated)]
    assert told == [(version, Schema.current().version)]
    views = {view.envelope.queue_id: view for view in stage.store.list("", 9)}
    assert views.keys() == {SENT, BOUNCE}
    envelope = views[SENT].envelope
    assert envelope.submitter == Submitter(name="spool=drop", uid=1000)
    assert (envelope.ret, envelope.envid) == ("", "")
    assert [one.reply for one in views[SENT].recipients] == [BUSY, REFUSED]
    assert stage.states(SENT) == [State.DEFERRED, State.FAILED]
    assert stage.states(BOUNCE) == [State.HOLD]
    assert stage.content(SENT) == b"Subject: hi\r\n\r\n"
    assert stage.submit(submission(key="drop:1")).repeated
    mark = Mark(now=NOON, skew=timedelta(0), boot="", up=timedelta(0))
    stage.store.keep_mark(mark).result(WAIT)


def test_its_mail_is_delivered_on_the_usual_terms(stage: Stage) -> None:
    stage.store.release(BOUNCE, NOON).result(WAIT)

    leases = stage.claim(at=NOON + timedelta(days=1))

    terms = [one.terms for lease in leases for one in lease.recipients]
    assert terms == [DEFAULT_TERMS, DEFAULT_TERMS]
    assert [stage.deliver(one).lost for one in leases] == [(), ()]


def test_it_takes_mail_on_new_terms(stage: Stage) -> None:
    terms = Terms(notify="NEVER", orcpt="rfc822;bob", run="|/bin/true")

    name = stage.submit(submission(terms=(terms,), key="k")).queue_id

    assert stage.recipients(name)[0].terms == terms


def test_its_tables_are_those_of_a_new_store(
    stage: Stage, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    """Column for column: where a page is spoiled, one mends the other."""
    stage.store.close()
    new = tmp_path / "new"
    SqliteStore(new, "me", FakeJournal(), clock, Heartbeats(clock)).close()

    assert columns(path) == columns(new / "queue.db")


def columns(path: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(path)) as file:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        names = [name for (name,) in file.execute(query)]
        return {
            name: file.execute(f"PRAGMA table_info({name})").fetchall()
            for name in names
        }


@pytest.mark.parametrize("spoiled", [False, True])
@pytest.mark.usefixtures("version")
def test_it_can_be_salvaged_without_being_opened_before(
    path: Path, clock: FakeClock, *, spoiled: bool
) -> None:
    """Even where its first page, which names the columns, is gone."""
    if spoiled:
        scribble(path, 0)

    found = salvage(path.parent)

    assert (found.messages, found.unreadable) == (2, 0)
    store = SqliteStore(path.parent, "me", FakeJournal(), clock, Heartbeats(clock))
    with closing(store):
        stage = Stage(store)
        assert stage.states(SENT) == [State.DEFERRED, State.FAILED]
        assert stage.recipients(SENT)[0].terms == DEFAULT_TERMS
        assert stage.submit(submission(key="drop:1")).repeated
