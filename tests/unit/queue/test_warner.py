# SPDX-License-Identifier: Apache-2.0
"""Who sent what waits for long hears of it once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import BouncesConfig
from maildropd.mail.bounce_events import MessageBounced
from maildropd.mail.envelope import QueueId, Terms
from maildropd.queue.warner import Warner
from tests.fakes.reporting import press
from tests.unit.bounce.reading import Read, read
from tests.unit.queue.desk import Desk

ANN = "ann@example.org"
FOUR_HOURS = timedelta(hours=4)
MINUTE = timedelta(minutes=1)


class Watch:
    """A queue in which nothing is tried, and who warns."""

    def __init__(self, folder: Path, after: timedelta = FOUR_HOURS) -> None:
        self.desk = Desk(folder)
        config = BouncesConfig(double_bounces_to="ops@example.org")
        self.press = press(self.desk.store, self.desk.clock, config)
        self.warner = Warner(self.press, self.desk.journal, after)

    def wait(self, delta: timedelta) -> list[MessageBounced]:
        """Let time pass; return all warnings so far."""
        self.desk.clock.forward(delta)
        for _ in range(100):
            self.warner.tick()
            if self.warner._kept is not None:
                self.warner._kept.result(10)
        # Of a change is told before the next one is made.
        self.desk.store.forget_keys(["-"]).result(10)
        return self.desk.journal.of(MessageBounced)

    def report(self, name: QueueId) -> Read:
        return read(b"".join(self.desk.store.content(name)))


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    yield watch
    watch.desk.stop()


def test_a_sender_is_warned_once_and_told_until_when_it_is_tried(watch: Watch) -> None:
    """Also while no server can be reached: then nothing is attempted at all."""
    name = watch.desk.add("bob@x", "carl@x", sender=ANN)

    assert watch.wait(FOUR_HOURS - MINUTE) == []
    (warning,) = watch.wait(2 * MINUTE)
    later = watch.wait(timedelta(days=1))

    assert later == [warning]
    assert (warning.queue_id, warning.action, warning.recipients) == (
        name,
        "delayed",
        2,
    )
    found = watch.report(warning.bounce)
    assert [one["Action"] for one in found.recipients] == ["delayed"] * 2
    assert found.recipients[0]["Status"] == "4.4.1"
    assert "Will-Retry-Until" in found.recipients[0]


def test_the_next_message_is_warned_of_as_well(watch: Watch) -> None:
    watch.desk.add("bob@x", sender=ANN)
    watch.wait(timedelta(hours=2))
    second = watch.desk.add("bob@x", sender=ANN)

    assert len(watch.wait(timedelta(hours=3))) == 1
    assert watch.wait(timedelta(hours=2))[1].queue_id == second


def test_nobody_is_warned_of_a_report(watch: Watch) -> None:
    watch.desk.add("bob@x", sender=None)

    assert watch.wait(timedelta(days=1)) == []


@pytest.mark.parametrize("notify", ["NEVER", "FAILURE", "SUCCESS"])
def test_who_does_not_want_it_is_not_warned(watch: Watch, notify: str) -> None:
    """The opt-out of each message: NOTIFY without DELAY."""
    watch.desk.add("bob@x", sender=ANN, terms=(Terms(notify=notify),))

    assert watch.wait(timedelta(days=1)) == []


def test_what_is_held_is_not_warned_of(watch: Watch) -> None:
    watch.desk.store.hold(watch.desk.add("bob@x", sender=ANN)).result(10)
    watch.desk.add("bob@x", sender=None)

    assert watch.wait(timedelta(days=1)) == []


def test_a_restart_warns_nobody_again(watch: Watch, tmp_path: Path) -> None:
    watch.desk.add("bob@x", sender=ANN)
    watch.wait(timedelta(hours=5))

    watch.warner = Warner(watch.press, watch.desk.journal, FOUR_HOURS)

    assert len(watch.wait(timedelta(hours=5))) == 1


def test_no_warnings_are_no_warnings(tmp_path: Path) -> None:
    watch = Watch(tmp_path, timedelta(0))
    watch.desk.add("bob@x", sender=ANN)

    assert watch.wait(timedelta(days=1)) == []
    watch.desk.stop()


def test_a_thousand_old_mails_of_one_sender_are_no_thousand_warnings(
    watch: Watch,
) -> None:
    added = [watch.desk.begin_to_add("bob@x", sender=ANN) for _ in range(1200)]
    for each in added:
        each.result(10)
    last = watch.desk.add("bob@x", sender="eve@example.org")

    told = watch.wait(timedelta(hours=5))

    assert len(told) == 51
    assert told[-1].queue_id == last


def test_a_host_that_was_off_for_a_night_delivers_before_it_warns(watch: Watch) -> None:
    """All of it was late, and most of it would have gone within a minute."""
    watch.desk.add("bob@x", sender=ANN)
    watch.desk.clock.forward(timedelta(hours=9))

    watch.warner = Warner(watch.press, watch.desk.journal, FOUR_HOURS)

    assert watch.wait(9 * MINUTE) == []
    assert len(watch.wait(2 * MINUTE)) == 1
