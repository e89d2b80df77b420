# SPDX-License-Identifier: Apache-2.0
"""The drop while somebody sets the host's clock."""

import os
from datetime import timedelta

import pytest

from maildropd.edge.spool import rest
from maildropd.mail.service_events import LockAbandoned
from tests.unit.spool.stage import CONTENT, MAIL, POLL, SETTLE, Stage

YEAR, DAY = timedelta(days=365), timedelta(days=1)
SET = [YEAR, timedelta(seconds=7), -DAY, -timedelta(seconds=3)]


@pytest.mark.parametrize("by", SET)
def test_half_a_mail_is_not_sent_because_the_clock_was_set(
    stage: Stage, by: timedelta
) -> None:
    """Its writer began a moment ago, even if the clock says a year."""
    path = stage.write("mail", MAIL[:-5])
    stage.clock.jump(by)
    stage.run()
    assert stage.contents == []

    path.write_bytes(MAIL)
    _touch(stage, "mail")
    stage.rest(SETTLE * 1.1)
    stage.rest()

    assert stage.contents == [CONTENT]


@pytest.mark.parametrize("by", SET)
def test_mail_goes_on_within_the_settle_time_after_the_clock_was_set(
    stage: Stage, by: timedelta
) -> None:
    stage.write("mail")
    stage.clock.jump(by)

    stage.run()
    stage.rest()

    assert stage.contents == [CONTENT]


@pytest.mark.parametrize("by", [YEAR, 2 * DAY, -DAY])
def test_a_lock_that_is_held_keeps_its_mail_when_the_clock_is_set(
    stage: Stage, by: timedelta
) -> None:
    """Its mail was moved to the quarantine while its writer was at work."""
    stage.write("mail", MAIL[:-5])
    lock = stage.write("mail.lck")
    stage.run()

    stage.clock.jump(by)
    stage.rest(POLL)
    assert stage.journal.of(LockAbandoned) == []

    (stage.path / "mail").write_bytes(MAIL)
    lock.unlink()
    stage.gone("mail.lck")
    assert stage.contents == [CONTENT]


@pytest.mark.parametrize("by", [YEAR, -YEAR])
def test_a_lock_that_was_left_behind_expires_though_the_clock_was_set(
    stage: Stage, by: timedelta
) -> None:
    """A lock from next year held its mail up until next year."""
    stage.write("mail", MAIL[:-5])
    stage.write("mail.lck")
    stage.run()
    stage.clock.jump(by)
    stage.rest(POLL)

    stage.rest(DAY + SETTLE)
    stage.rest(POLL)

    assert len(stage.journal.of(LockAbandoned)) == 1
    assert stage.names() == []


def test_a_flood_of_files_from_the_future_fills_no_memory_and_is_taken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may give his files any time; a hundred thousand were 30 MB."""
    monkeypatch.setattr(rest, "_MOST", 10)
    future = stage.clock.wall().timestamp() + YEAR.total_seconds()
    for number in range(25):
        os.utime(stage.write(f"mail{number}"), (future, future))

    stage.rest()
    assert len(stage.pickup._taker._rest._first_seen) <= 10
    assert 0 < len(stage.contents) < 25
    for _ in range(10):
        stage.rest(POLL)

    assert len(stage.contents) == 25


def _touch(stage: Stage, name: str) -> None:
    """Give a file the time that is on the wall."""
    now = stage.clock.wall().timestamp()
    os.utime(stage.path / name, (now, now))
