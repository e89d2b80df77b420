# SPDX-License-Identifier: Apache-2.0
"""Back-off by a table."""

from datetime import timedelta

import pytest

from maildropd.queue.backoff import Backoff

FIVE = timedelta(minutes=5)
FOUR_HOURS = timedelta(hours=4)
BACKOFF = Backoff(first=FIVE, slowest=FOUR_HOURS)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        (1, FIVE),
        (2, 2 * FIVE),
        (3, 4 * FIVE),
        (6, 32 * FIVE),
        (7, FOUR_HOURS),
        (1000, FOUR_HOURS),
        (10**9, FOUR_HOURS),
    ],
)
def test_waits_double_up_to_the_slowest(attempts: int, expected: timedelta) -> None:
    assert BACKOFF.delay(attempts, jitter=0) == expected


def test_jitter_shortens_by_at_most_a_fifth_and_also_at_the_cap() -> None:
    """Mail that was deferred together must not come back together."""
    assert BACKOFF.delay(1, jitter=0.999999) > 0.8 * FIVE
    assert BACKOFF.delay(1, jitter=0.5) == 0.9 * FIVE
    assert BACKOFF.delay(50, jitter=0.5) == 0.9 * FOUR_HOURS
