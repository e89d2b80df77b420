# SPDX-License-Identifier: Apache-2.0
"""The breaker: one probe at a time, with growing pauses, told once."""

from datetime import timedelta

from maildropd.mail.reply import Reply
from maildropd.queue.breaker import Breaker
from tests.fakes.clock import FakeClock

REFUSED = Reply(451, "4.4.1", "connection refused")
AUTH = Reply(451, "4.7.0", "535 wrong password")


def test_a_working_route_has_no_wait() -> None:
    assert Breaker(FakeClock()).wait() is None


def test_pauses_double_while_probes_fail_up_to_a_minute() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)

    seen = []
    for _ in range(9):
        breaker.failed(REFUSED, refused=False)
        wait = breaker.wait()
        assert wait is not None
        seen.append(wait.total_seconds())
        clock.forward(wait)

    assert seen == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_connections_that_fail_together_count_once() -> None:
    """Ten connections to a dead host must not make the pause a minute at once."""
    breaker = Breaker(FakeClock())

    for _ in range(10):
        breaker.failed(REFUSED, refused=False)

    assert breaker.wait() == timedelta(seconds=1)


def test_the_same_failure_is_told_once_and_another_one_again() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)

    first = breaker.failed(REFUSED, refused=False)
    clock.forward(timedelta(minutes=1))
    again = breaker.failed(REFUSED, refused=False)
    clock.forward(timedelta(minutes=1))
    other = breaker.failed(AUTH, refused=True)

    assert first is not None
    assert again is None
    assert other is not None
    assert other.refused


def test_a_refused_password_is_not_tried_again_within_a_minute() -> None:
    """A host that hammers on AUTH gets locked out."""
    breaker = Breaker(FakeClock())

    breaker.failed(AUTH, refused=True)

    assert breaker.wait() == timedelta(minutes=1)


def test_success_closes_and_tells_how_long_it_lasted() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    breaker.failed(REFUSED, refused=False)
    clock.forward(timedelta(seconds=90))

    assert breaker.works() == timedelta(seconds=90)
    assert breaker.wait() is None
    assert breaker.works() is None


def test_retry_now_lets_the_probe_go_at_once() -> None:
    breaker = Breaker(FakeClock())
    breaker.failed(AUTH, refused=True)

    breaker.retry_now()

    assert breaker.wait() == timedelta(0)
    assert breaker.broken is not None
