# SPDX-License-Identifier: Apache-2.0
"""The queue on SQLite: everything a queue promises, and what only it can do."""

import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import ContentGone, StoreUnusable
from maildropd.mail.service_events import OrphansSwept
from maildropd.store.base import State, Stored
from maildropd.store.operating import FLUSH_STEP
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store import (
    conformance,
    conformance_leases,
    conformance_notices,
    conformance_operators,
    conformance_outcomes,
    conformance_turns,
)
from tests.unit.store.stage import NOON, WAIT, Stage, outcome, paths, submission

Opener = Callable[[str], SqliteStore]


@pytest.fixture
def opener(tmp_path: Path, journal: FakeJournal, clock: FakeClock) -> Iterator[Opener]:
    """Open the one store of this test, after closing it if it is open."""
    opened: list[SqliteStore] = []

    def open_as(owner: str) -> SqliteStore:
        for store in opened:
            store.close()
        opened.append(
            SqliteStore(tmp_path / "state", owner, journal, clock, Heartbeats(clock))
        )
        return opened[-1]

    yield open_as
    for store in opened:
        store.close()


@pytest.fixture
def stage(opener: Opener) -> Stage:
    return Stage(opener("first"))


@pytest.fixture
def reopen(opener: Opener, stage: Stage) -> conformance.Reopen:
    return lambda owner: Stage(opener(owner), stage.ids)


class TestAdding(conformance.Adding):
    pass


class TestReading(conformance.Reading):
    pass


class TestClaiming(conformance_leases.Claiming):
    pass


class TestSettling(conformance_outcomes.Settling):
    pass


class TestTelling(conformance_notices.Telling):
    pass


class TestTaking(conformance_turns.Taking):
    pass


class TestHolding(conformance_operators.Holding):
    pass


class TestRemoving(conformance_operators.Removing):
    pass


class TestFlushing(conformance_operators.Flushing):
    pass


def test_callers_in_many_threads_all_get_their_own_answer(stage: Stage) -> None:
    queue_ids = [next(stage.ids) for _ in range(20)]
    answers: list[Stored] = []

    def submit(queue_id: QueueId) -> None:
        what = submission(f"{queue_id}@example.net")
        answers.append(stage.store.add(what, queue_id, (NOON, NOON)).result(WAIT))

    threads = [threading.Thread(target=submit, args=(each,)) for each in queue_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(stored.queue_id for stored in answers) == queue_ids
    for each in queue_ids:
        assert paths(stage.recipients(each)) == [f"{each}@example.net"]


def test_a_closed_store_refuses_instead_of_hanging(stage: Stage) -> None:
    stage.store.close()
    stage.store.close()

    with pytest.raises(StoreUnusable, match="closed"):
        stage.add()


def test_what_was_handed_over_before_the_close_is_stored(
    stage: Stage, reopen: conformance.Reopen
) -> None:
    futures = [
        stage.store.add(submission(), next(stage.ids), (NOON, NOON)) for _ in range(600)
    ]

    stage.store.close()

    assert all(future.done() for future in futures)
    assert reopen("second").counts() == {State.READY: 600}


def test_one_bad_change_fails_alone(stage: Stage) -> None:
    """It shares a commit with others, which must not suffer for it."""
    futures = [
        stage.store.add(submission(path), next(stage.ids), (NOON, NOON))
        for path in ("a@example.net", "\udcff@example.net", "c@example.net")
    ]

    with pytest.raises(UnicodeEncodeError):
        futures[1].result(WAIT)
    assert not futures[0].result(WAIT).repeated
    assert not futures[2].result(WAIT).repeated
    assert stage.counts() == {State.READY: 2}


def test_nothing_is_readable_for_others(stage: Stage, tmp_path: Path) -> None:
    """Mail is private, whatever the umask says."""
    stage.submit(submission(content=conformance.MEGABYTE))

    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_large_content_is_a_file_as_long_as_its_message_lives(
    stage: Stage, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "content"
    large = submission(content=conformance.MEGABYTE, key="k")
    queue_id = stage.submit(large).queue_id
    assert [path.name for path in folder.iterdir()] == [queue_id]

    stage.submit(replace(large, content=conformance.MEGABYTE))
    assert [path.name for path in folder.iterdir()] == [queue_id]

    stage.deliver(*stage.claim())
    assert list(folder.iterdir()) == []


def test_content_that_has_changed_is_not_sent(stage: Stage, tmp_path: Path) -> None:
    queue_id = stage.submit(submission(content=conformance.MEGABYTE)).queue_id
    path = tmp_path / "state" / "content" / queue_id
    octets = path.read_bytes()

    for damaged in (b"X" + octets[1:], octets[:-1], octets + b"X"):
        path.write_bytes(damaged)
        with pytest.raises(ContentGone, match=queue_id):
            stage.content(queue_id)

    path.unlink()
    with pytest.raises(ContentGone, match="No such file"):
        stage.content(queue_id)


def test_content_that_cannot_be_read_just_now_is_not_gone(stage: Stage) -> None:
    """Out of descriptors, the mail waits; it must not be put on hold for that."""
    queue_id = stage.submit(submission(content=conformance.MEGABYTE)).queue_id
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))

    try:
        with pytest.raises(StoreUnusable, match="Too many open files") as caught:
            stage.content(queue_id)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not isinstance(caught.value, ContentGone)


def test_a_start_sweeps_what_a_crash_left(
    stage: Stage, opener: Opener, tmp_path: Path, journal: FakeJournal
) -> None:
    kept = stage.submit(submission(content=conformance.MEGABYTE)).queue_id
    folder = tmp_path / "state" / "content"
    (folder / conformance.UNKNOWN).write_bytes(b"no row names it")
    (folder / f".{conformance.UNKNOWN}.tmp").write_bytes(b"never finished")

    opener("second")

    assert [path.name for path in folder.iterdir()] == [kept]
    assert journal.of(OrphansSwept) == [OrphansSwept(files=2)]


def test_a_flush_of_very_many_goes_in_steps(stage: Stage) -> None:
    """Others get their changes in between, so that nothing waits for long."""
    many = [f"user{n}@example.net" for n in range(2 * FLUSH_STEP + 1)]
    stage.add(*many)
    (lease,) = stage.claim()
    stage.settle(*(outcome(lease, n, State.DEFERRED) for n in range(len(many))))

    assert stage.store.flush([], NOON).result(WAIT) == len(many)
    assert len(stage.claim(1)[0].recipients) == len(many)
