# SPDX-License-Identifier: Apache-2.0
"""One store in a folder of its own, with a clock and a journal to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(
    tmp_path: Path, clock: FakeClock, journal: FakeJournal
) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path, "me", journal, clock, Heartbeats(clock))
    yield store
    store.close()
