# SPDX-License-Identifier: Apache-2.0
"""How each way does, for systemd and for whoever asks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.daemon import status
from maildropd.mail.reply import Reply
from maildropd.queue.lane import Lane
from maildropd.route.base import NextHop, Way
from maildropd.store.base import State
from tests.unit.queue.desk import HOP, Desk

NO = Reply(451, "4.4.1", "connection refused")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def domain(desk: Desk, name: str, *, broken: bool) -> tuple[NextHop, Lane]:
    """Return a lane for a domain's servers."""
    made = Desk(desk.folder / name)
    [lane] = made.routing().lanes.values()
    made.store.close()
    lane.destination = name
    if broken:
        lane.breaker.failed(NO)
    return NextHop(way=Way.MX, relay="", destination=name), lane


def test_a_way_that_fails_is_told_with_its_reason_and_next_probe(desk: Desk) -> None:
    lanes = desk.routing().lanes
    desk.breaker.failed(NO)
    desk.clock.forward(timedelta(seconds=0.25))

    [told] = status.relays(lanes)

    assert (told["name"], told["destination"]) == (HOP.relay, HOP.destination)
    assert (told["works"], told["state"]) == (False, "fails")
    assert (told["reply"], told["broken_for"]) == (str(NO), 0.25)
    assert told["retry_in"] == 0.75


def test_a_way_that_refuses_us_is_told_from_one_that_fails(desk: Desk) -> None:
    lanes = desk.routing().lanes
    desk.breaker.failed(Reply(535, "5.7.8", "wrong password"), refused=True)

    [told] = status.relays(lanes)
    line = status.line({State.READY: 2}, None, lanes.values(), desk.clock.now())

    assert told["state"] == "refuses"
    assert line == "2 queued, relay fake:25 refuses us (535 wrong password)"


def test_that_no_new_mail_is_taken_comes_before_the_ways(desk: Desk) -> None:
    """It is the first thing to be mended."""
    lanes = desk.routing().lanes
    desk.breaker.failed(NO)

    line = status.line({}, None, lanes.values(), desk.clock.now(), "12 KiB free")

    assert line.startswith("0 queued, no new mail is taken (12 KiB free), relay fake")


def test_a_domain_is_told_of_while_it_matters(desk: Desk) -> None:
    lanes = dict([domain(desk, "good", broken=False), domain(desk, "bad", broken=True)])

    assert [told["destination"] for told in status.relays(lanes)] == ["bad"]


def test_hundreds_of_dead_domains_do_not_fill_the_line(desk: Desk) -> None:
    """systemd cuts a long STATUS=, and nobody reads it."""
    _, lane = domain(desk, "bad", broken=True)

    line = status.line({}, None, [lane] * 300, desk.clock.now())

    assert line.endswith(", 297 more fail")
    assert len(line) < 200
