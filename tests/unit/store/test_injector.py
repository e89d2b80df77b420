# SPDX-License-Identifier: Apache-2.0
"""The one door in: what is said, and when."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maildropd.config.model import QueueConfig, Size
from maildropd.mail.envelope import Priority, is_queue_id
from maildropd.mail.errors import TooLarge, TooManyRecipients
from maildropd.mail.events import MessageAccepted, SubmissionRepeated
from maildropd.store.injector import Injector, QueueIds
from maildropd.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import WAIT, submission


class Calls:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def accepted() -> Calls:
    return Calls()


@pytest.fixture
def injector(
    store: SqliteStore, journal: FakeJournal, clock: FakeClock, accepted: Calls
) -> Injector:
    config = QueueConfig(message_size_limit=Size(20), give_up_after=timedelta(days=3))
    return Injector(store, journal, QueueIds(clock, lambda _: 0), config, accepted)


def test_what_is_accepted_is_stored_told_and_passed_on(
    injector: Injector, store: SqliteStore, journal: FakeJournal, accepted: Calls
) -> None:
    stored = injector.submit(submission("bob@example.net", "eve@example.net")).result(
        WAIT
    )

    (event,) = journal.wait_for(MessageAccepted)
    assert event == MessageAccepted(
        queue_id=stored.queue_id,
        sender="ann@example.org",
        size=15,
        recipients=2,
        submitter="spool=drop",
        submitter_uid=1000,
        message_id="<1@example.org>",
    )
    view = store.show(stored.queue_id)
    assert view is not None
    assert view.give_up - view.envelope.arrived == timedelta(days=3)
    store.close()
    assert accepted.count == 1


def test_a_null_reverse_path_is_shown_as_empty(
    injector: Injector, journal: FakeJournal
) -> None:
    injector.submit(replace(submission(), reverse_path=None))

    (event,) = journal.wait_for(MessageAccepted)
    assert event.text().startswith(f"{event.queue_id}: from=<>,")


def test_a_repetition_is_told_as_one(
    injector: Injector, store: SqliteStore, journal: FakeJournal, accepted: Calls
) -> None:
    first = injector.submit(submission(key="k")).result(WAIT)
    again = injector.submit(submission(key="k")).result(WAIT)

    (event,) = journal.wait_for(SubmissionRepeated)
    assert again.repeated
    assert event.queue_id == first.queue_id
    assert event.submitter == "spool=drop uid=1000"
    store.close()
    assert accepted.count == 1
    assert len(journal.of(MessageAccepted)) == 1


def test_a_message_at_the_limit_passes_and_one_beyond_it_does_not(
    injector: Injector, store: SqliteStore, journal: FakeJournal, accepted: Calls
) -> None:
    injector.submit(submission(content=[b"x" * 10, b"x" * 10])).result(WAIT)
    beyond = injector.submit(submission(content=[b"x" * 10, b"x" * 11]))

    with pytest.raises(TooLarge, match="larger than 20 octets"):
        beyond.result(WAIT)
    store.close()
    assert accepted.count == 1
    assert len(journal.of(MessageAccepted)) == 1


def test_more_recipients_than_the_limit_are_refused_unread(
    injector: Injector, store: SqliteStore, accepted: Calls
) -> None:
    injector.configure(QueueConfig(recipient_limit=2), None)
    injector.submit(submission("a@x", "b@x")).result(WAIT)

    beyond = injector.submit(
        submission("a@x", "b@x", "c@x", content=map(pytest.fail, ["read"]))
    )

    with pytest.raises(TooManyRecipients, match="more than 2 recipients") as caught:
        beyond.result(WAIT)
    assert (caught.value.reply.code, caught.value.reply.status) == (550, "5.5.3")
    store.close()
    assert accepted.count == 1


def test_reading_stops_at_the_limit(injector: Injector) -> None:
    """Who sends without end is cut off, not read to the end."""
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 10

    with pytest.raises(TooLarge):
        injector.submit(submission(content=endless())).result(WAIT)
    assert read == 3


def test_other_limits_hold_from_the_next_submission_on(injector: Injector) -> None:
    injector.configure(QueueConfig(message_size_limit=Size(30)), None)

    assert injector.submit(submission(content=[b"x" * 30])).result(WAIT).size == 30


class JustReloaded(Injector):
    """Its priorities are taken away as soon as they were looked at."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name == "_priority" and found is not None:
            self._priority = None
        return found


def test_mail_that_comes_while_priorities_are_taken_away_is_stored(
    store: SqliteStore, journal: FakeJournal, clock: FakeClock, accepted: Calls
) -> None:
    """A reload came in between, and the mail was put off for a bug of ours."""
    ids, config = QueueIds(clock, lambda _: 0), QueueConfig()
    injector = JustReloaded(store, journal, ids, config, accepted)
    injector.configure(config, lambda _: Priority.HIGH)

    injector.submit(submission()).result(WAIT)

    assert len(journal.wait_for(MessageAccepted)) == 1


def test_ids_grow_while_the_clock_stands_still_or_goes_back(clock: FakeClock) -> None:
    """An id that came twice would mix two messages up."""
    ids = QueueIds(clock, lambda bits: (1 << bits) - 1)
    made = [ids.next()[0] for _ in range(3)]
    clock.forward(timedelta(hours=-1))
    made.append(ids.next()[0])
    clock.forward(timedelta(hours=2))
    made.append(QueueIds(clock, lambda _: 0).next()[0])

    assert made == sorted(set(made))
    assert all(map(is_queue_id, made))


def test_the_time_of_arrival_is_the_clocks_own(clock: FakeClock) -> None:
    ids = QueueIds(clock, lambda _: 0)
    ids.next()
    clock.forward(timedelta(hours=-1))

    assert ids.next()[1] == clock.now()
