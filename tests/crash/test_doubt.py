# SPDX-License-Identifier: Apache-2.0
"""A commit that failed and cannot be undone is called that, and not a refusal.

Its frames may be in the log; the connection that would cover them cannot be
made, as on a file system that became read-only with the first error.
"""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.errors import StoreInDoubt, StoreUnusable
from maildropd.mail.service_events import StoreTrouble
from maildropd.store.connection import Database
from maildropd.store.opening import open_database
from maildropd.store.schema import Schema
from maildropd.store.trouble import Trouble
from maildropd.store.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

WAIT = 20


class Refusing(sqlite3.Connection):
    """A connection on a disk whose last sync fails, and that is gone then."""

    path: Path

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.path.rename(self.path.with_name("gone"))
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *values)


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def writer(tmp_path: Path, journal: FakeJournal) -> Iterator[Writer]:
    """A writer whose commits fail, on a file that cannot be opened again."""
    path, clock = tmp_path / "queue.db", FakeClock()
    open_database(path, Schema.current())[0].close()
    connection = sqlite3.connect(
        path, factory=Refusing, isolation_level=None, check_same_thread=False
    )
    connection.path = path
    writer = Writer(
        Database(path, connection),
        lambda _: None,
        lambda _: False,
        Heartbeats(clock),
        Trouble(path, journal, clock),
    )
    writer._more_idle_work = False
    thread = threading.Thread(target=writer.run)
    thread.start()
    yield writer
    writer.stop()
    thread.join(WAIT)


def test_what_cannot_be_undone_is_in_doubt_and_not_refused(
    writer: Writer, journal: FakeJournal
) -> None:
    with pytest.raises(StoreInDoubt, match="may be there after a crash"):
        writer.submit(lambda _: None).result(WAIT)

    (event,) = journal.of(StoreTrouble)
    assert "may be there after a crash" in event.reason


def test_what_never_reached_the_disk_is_refused_and_not_in_doubt(
    writer: Writer,
) -> None:
    """After that commit there is no connection to make another on."""
    with pytest.raises(StoreInDoubt):
        writer.submit(lambda _: None).result(WAIT)

    with pytest.raises(StoreUnusable) as caught:
        writer.submit(lambda _: None).result(WAIT)
    assert not isinstance(caught.value, StoreInDoubt)
