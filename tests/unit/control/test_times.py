# SPDX-License-Identifier: Apache-2.0
"""What people are shown is the time on the wall, whatever the queue's time is."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from maildropd.queue.operator import Operator
from maildropd.queue.requests import answer
from tests.unit.control.queues import Queue

YEAR, DAY, HOUR = timedelta(days=365), timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize("by", [YEAR, -DAY])
def test_age_and_next_try_are_right_after_the_clock_was_set(
    queue: Queue, by: timedelta
) -> None:
    name = queue.add()
    queue.defer()
    operator = Operator(queue.store, queue.journal, queue.clock)

    queue.clock.jump(by)
    queue.clock.jumped()

    now = queue.clock.wall()
    shown = answer(operator, {"command": "show", "id": name}, "uid=0")["message"]
    listed = answer(operator, {"command": "list"}, "uid=0")["messages"]
    counted = answer(operator, {"command": "counts"}, "uid=0")
    assert listed == [shown]
    assert now - _time(shown["arrived"]) == HOUR
    assert now - _time(counted["oldest"]) == HOUR
    assert _time(shown["give_up"]) - now == timedelta(days=5) - HOUR
    assert _time(shown["recipients"][0]["due"]) - now == timedelta(minutes=12)


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(text)
