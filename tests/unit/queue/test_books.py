# SPDX-License-Identifier: Apache-2.0
"""What a connection has come to is recorded, whatever comes next or does not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.outcome import Outcome
from maildropd.queue.backoff import Backoff
from maildropd.queue.books import Books
from maildropd.queue.verdict import Judge, Verdict
from tests.fakes.relay import alive
from tests.fakes.transport import OK
from tests.unit.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def delivered(desk: Desk) -> list[Verdict]:
    """Lease a message, and say that it was delivered."""
    desk.add("r@x")
    now = desk.clock.now()
    (lease,) = desk.store.claim(9, now, now + timedelta(hours=1)).result(10)
    backoff = Backoff(first=timedelta(minutes=5), slowest=timedelta(hours=4))
    return Judge(backoff, lambda: 0.0).judge(lease, [Outcome.of(OK, "fake:25")], now)


def test_what_waits_for_company_is_recorded_when_none_comes(desk: Desk) -> None:
    """The promised next one was taken by another thread: it was sent twice later."""
    books = Books(desk.routing().attempt, desk.clock, alive)
    books.enter(delivered(desk), more=True)

    books.close()

    assert not any(desk.store.counts().values())


def test_there_may_be_nothing_to_close(desk: Desk) -> None:
    books = Books(desk.routing().attempt, desk.clock, alive)
    books.enter(delivered(desk), more=False)

    books.close()

    assert not any(desk.store.counts().values())
