# SPDX-License-Identifier: Apache-2.0
"""Threads share the work of a lane: who is quick does it, who hangs keeps nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from maildropd.config.rate import Rate
from maildropd.mail.envelope import Envelope, QueueId, Submitter
from maildropd.queue.backlog import Backlog
from maildropd.queue.crew import STUCK, Crew, LaneLimits
from maildropd.queue.roster import Roster
from maildropd.store.base import Lease, LeasedRecipient
from tests.fakes.clock import FakeClock
from tests.fakes.transport import FakeRelay

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ZERO = timedelta(0)
MOMENT = timedelta(milliseconds=1)
LIMITS = LaneLimits(max_connections=4, idle_timeout=MOMENT)


def lease(number: int) -> Lease:
    return Lease(
        envelope=Envelope(
            queue_id=QueueId(f"{number:012}"),
            reverse_path=None,
            arrived=NOW,
            size=1,
            submitter=Submitter(name="test"),
        ),
        give_up=NOW,
        turn=NOW,
        recipients=(
            LeasedRecipient(number=0, forward_path="r@x", attempts=0, fence=1),
        ),
    )


def alive(_: timedelta) -> None:
    """Be content."""


def settled() -> None:
    """Have nothing to settle."""


def crew(clock: FakeClock, took: timedelta, size: int) -> Crew:
    """Return so many that are all at work, at this pace."""
    made = Crew(100, clock)
    made.done(clock.monotonic() - took)
    made.size = size
    return made


def test_what_is_promised_to_one_is_taken_by_no_other() -> None:
    backlog = Backlog()
    first, second = lease(1), lease(2)
    backlog.add(first)
    backlog.add(second)

    assert backlog.promise(ZERO) is first
    assert backlog.free(ZERO) == 1
    assert backlog.take(ZERO) is second
    assert backlog.take(ZERO) is None
    assert backlog.take(ZERO, first) is first


def test_what_was_promised_to_one_that_hangs_goes_to_another() -> None:
    """Good mail waited for ten minutes behind one that a server chewed on."""
    backlog = Backlog()
    mail = lease(1)
    backlog.add(mail)
    backlog.promise(ZERO)

    late = timedelta(seconds=2)
    assert backlog.free(late) == 1
    assert backlog.take(late) is mail
    assert backlog.take(late, mail) is None


def test_a_promise_that_is_given_up_binds_nobody() -> None:
    backlog = Backlog()
    mail = lease(1)
    backlog.add(mail)
    backlog.promise(ZERO)
    backlog.release(mail)

    assert backlog.take(ZERO) is mail


def test_where_one_is_quick_no_second_is_called() -> None:
    clock = FakeClock()
    quick = crew(clock, MOMENT / 2, 1)
    quick._load._lately = 0.8

    assert not quick.lacks(100)


def test_where_the_server_is_far_more_are_called_however_busy_the_process() -> None:
    """One that hangs counts as one at work; the others must not suffer for it."""
    far = crew(FakeClock(), timedelta(milliseconds=30), 4)
    far._load._lately = 1.5

    assert far.lacks(2)
    assert not far.exceeds()


def test_where_the_processor_is_idle_more_are_called() -> None:
    """They wait for the server, and could wait together."""
    assert crew(FakeClock(), MOMENT, 1).lacks(2)


def test_where_all_hang_one_more_is_called() -> None:
    clock = FakeClock()
    stuck = crew(clock, MOMENT, 1)
    stuck._load._lately = 0.8
    clock.forward(STUCK + MOMENT)

    assert stuck.lacks(1)


def test_too_many_at_work_are_in_each_other_s_way() -> None:
    clock = FakeClock()
    many = crew(clock, 2 * MOMENT, 4)
    many._load._lately = 1.0

    assert many.exceeds()
    many._load._lately = 0.5
    assert not many.exceeds()


def test_each_message_that_is_through_makes_room_for_one_more() -> None:
    clock = FakeClock()
    grown = Crew(100, clock)
    for number in range(30):
        while grown.hire(100):
            pass
        assert grown.size == min(4 + number, 100)
        grown.done(clock.monotonic() - timedelta(seconds=1))


def test_a_relay_that_turned_one_away_gets_more_only_after_a_while() -> None:
    clock = FakeClock()
    shrunk = crew(clock, timedelta(seconds=1), 10)
    shrunk.turned_away()
    for _ in range(50):
        shrunk.done(clock.monotonic() - timedelta(seconds=1))

    assert shrunk.room == 9


def test_a_rate_is_kept_whoever_asks() -> None:
    clock = FakeClock()
    limits = LaneLimits(
        max_connections=2,
        idle_timeout=timedelta(seconds=1),
        rate=Rate(amount=1, period=timedelta(hours=1)),
    )
    roster = Roster(limits, clock)
    roster.crew.size = 2
    roster.backlog.add(lease(1))
    roster.backlog.add(lease(2))

    assert roster.take(None, alive, settled) is not None
    assert roster.promise() is None
    assert not roster._is_next(clock.monotonic())
    clock.forward(timedelta(hours=1))
    assert roster._is_next(clock.monotonic())


def test_nothing_waits_for_a_message_that_another_has_taken() -> None:
    """Its record waited for the end of the idle connection: half a minute."""
    clock = FakeClock()
    limits = LaneLimits(max_connections=2, idle_timeout=ZERO)
    roster = Roster(limits, clock)
    roster.crew.size = 1
    mail = lease(1)
    roster.backlog.add(mail)
    promised = roster.promise()
    assert promised is mail
    roster.backlog.take(ZERO, mail)  # another thread had it
    told: list[str] = []

    assert roster.take(promised, alive, lambda: told.append("settled")) is None
    assert told == ["settled"]


def test_a_message_to_many_takes_no_connection_that_others_wait_for() -> None:
    clock = FakeClock()
    roster = Roster(LIMITS, clock)
    roster.crew.hire(waiting=1)

    assert roster.lend(9) == 3
    assert roster.lend(9) == 0
    roster.give_back(3)
    roster.backlog.add(lease(1))
    assert roster.lend(9) == 0


def test_no_thread_more_is_hired_for_a_connection_that_is_lent() -> None:
    roster = Roster(LIMITS, FakeClock())
    roster.crew.hire(waiting=1)
    roster.lend(3)

    assert not roster.crew.hire(waiting=10)
    roster.give_back(3)
    assert roster.crew.hire(waiting=10)


def test_for_one_message_one_thread_is_hired_however_long_it_takes_to_come() -> None:
    """A list went over one connection: three threads had come for its one message."""
    roster = Roster(LIMITS, FakeClock())
    mail = lease(1)
    roster.backlog.add(mail)
    assert roster.crew.hire(waiting=1)

    assert not roster.crew.hire(waiting=1)
    assert roster.crew.hire(waiting=2)
    roster.crew.not_hired()
    assert roster.first("relay-1", FakeRelay().transport(), alive) is mail
    assert (roster.crew.size, roster.crew.idle) == (1, 0)
    assert roster.crew.hire(waiting=1)


def test_where_mail_goes_at_a_rate_nothing_is_lent() -> None:
    limits = replace(LIMITS, rate=Rate(amount=60, period=timedelta(minutes=1)))

    assert Roster(limits, FakeClock()).lend(9) == 0
