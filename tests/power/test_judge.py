# SPDX-License-Identifier: Apache-2.0
"""The judge sees every broken promise: a judge that sees none proves nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.power.judge import inspect, judge, missing_from_quarantine
from tests.power.ledger import Entry, Ledger, Oddity, Said
from tests.power.letters import Letter, Wish

A, B, NO = "ok.1.0@power.test", "ok.1.1@power.test", "no.1.2@power.test"
LETTER = Letter(
    key=1, addresses=(A, B, NO), sender="plain.1.s@x", wish=Wish.NONE, size=10
)
RIGHT = LETTER.digest()


@pytest.fixture
def ledger() -> Ledger:
    """Life 3; a message was acknowledged in life 2, delivered and failed."""
    ledger = Ledger()
    ledger.life = 2
    entry = ledger.expect(LETTER)
    entry.dropped = ledger.said(at=1)
    ledger.taken(2, [A, B], RIGHT)
    ledger.settled(A, "delivered", ledger.said(at=2))
    ledger.settled(NO, "failed", ledger.said(at=2))
    ledger.life = 3
    return ledger


def entry(ledger: Ledger) -> Entry:
    return ledger.entries[1]


def lose(ledger: Ledger) -> None:
    entry(ledger).fates[A].copies.clear()


def repeat_what_is_recorded(ledger: Ledger) -> None:
    ledger.taken(3, [A], RIGHT)
    ledger.settled(A, "delivered", Said(life=3, at=9))


def repeat_without_a_cut(ledger: Ledger) -> None:
    ledger.taken(2, [B], RIGHT)


def change(ledger: Ledger) -> None:
    ledger.taken(3, [B], b"other")


def try_what_failed(ledger: Ledger) -> None:
    ledger.tried(3, NO)


def try_what_was_held(ledger: Ledger) -> None:
    entry(ledger).held = Said(life=2, at=2)
    ledger.tried(3, B)


def try_what_was_removed(ledger: Ledger) -> None:
    entry(ledger).removed = Said(life=2, at=2)
    ledger.tried(3, B)


def report_twice(ledger: Ledger) -> None:
    ledger.reported([NO], "<1@x>")
    ledger.reported([NO], "<2@x>")


def report_what_nobody_refused(ledger: Ledger) -> None:
    ledger.reported([B], "<1@x>")


def try_a_draft(ledger: Ledger) -> None:
    ledger.tried(3, "draft.7.0@power.test")


@pytest.mark.parametrize(
    ("crime", "name"),
    [
        (lose, "lost"),
        (repeat_what_is_recorded, "delivered again, though recorded"),
        (repeat_without_a_cut, "delivered twice in life 2"),
        (change, "changed"),
        (try_what_failed, "tried again, though recorded as failed"),
        (try_what_was_held, "tried, though it was held"),
        (try_what_was_removed, "tried, though it was removed"),
        (try_a_draft, "tried, though that must not be"),
        (report_twice, "reported twice"),
        (report_what_nobody_refused, "nobody had refused it"),
    ],
)
def test_a_broken_promise_is_named(
    crime: Callable[[Ledger], None], name: str, ledger: Ledger
) -> None:
    crime(ledger)

    judge(ledger, {NO: "failed"}, 4)

    (wrong,) = ledger.wrongs
    assert name in wrong


@pytest.mark.parametrize(
    ("address", "state", "name"),
    [
        (A, "deferred", "in the queue, though it is recorded as delivered"),
        (B, "hold", "hold for no reason"),
        (B, "failed", "failed for no reason"),
        ("ok.9.0@power.test", "ready", "in the queue, though that must not be"),
    ],
)
def test_a_row_that_must_not_be_is_named(
    address: str, state: str, name: str, ledger: Ledger
) -> None:
    judge(ledger, {NO: "failed", address: state}, 4)

    assert name in ledger.wrongs[0]


def test_a_failed_recipient_that_nobody_can_see_any_more_is_lost(
    ledger: Ledger,
) -> None:
    judge(ledger, {}, 4)

    assert f"{NO}: lost" in ledger.wrongs[0]


def test_who_was_reported_need_not_be_seen_any_more(ledger: Ledger) -> None:
    """The same report may come twice, as any mail in flight at a cut."""
    ledger.reported([NO], "<1@x>")
    ledger.reported([NO], "<1@x>")

    judge(ledger, {}, 4)

    assert ledger.wrongs == []


def test_what_was_in_flight_may_come_twice(ledger: Ledger) -> None:
    ledger.taken(3, [B], RIGHT)

    judge(ledger, {NO: "failed"}, 4)

    assert ledger.wrongs == []
    assert ledger.doubles == {2: {1}}


def test_more_than_was_in_flight_may_not(ledger: Ledger) -> None:
    ledger.taken(3, [B], RIGHT)

    judge(ledger, {NO: "failed"}, 0)

    assert "1 messages doubled by the cut of 2" in ledger.wrongs[0]


def test_what_was_not_acknowledged_may_be_gone_but_only_as_a_whole(
    ledger: Ledger,
) -> None:
    entry(ledger).dropped = None
    entry(ledger).fates[A].copies.clear()

    judge(ledger, {NO: "failed"}, 4)
    assert "lost" in ledger.wrongs[0]

    ledger.wrongs.clear()
    ledger.expect(LETTER)
    judge(ledger, {}, 4)
    assert ledger.wrongs == []


def test_what_was_said_at_the_cut_is_not_said(ledger: Ledger) -> None:
    entry(ledger).accepted = ledger.said(at=5)
    entry(ledger).held = ledger.said(at=4)

    ledger.cut(at=5)

    assert entry(ledger).accepted is None
    assert entry(ledger).held == Said(life=3, at=4)


def test_nothing_is_heard_any_more_of_a_message_that_is_done(ledger: Ledger) -> None:
    judge(ledger, {}, 4)
    ledger.wrongs.clear()

    ledger.tried(4, A)

    assert len(ledger.wrongs) == 1


def test_a_bad_file_must_stay_in_the_quarantine_with_its_reason(
    ledger: Ledger, tmp_path: Path
) -> None:
    drop, quarantine = tmp_path / "drop", tmp_path / "quarantine"
    drop.mkdir()
    quarantine.mkdir()
    place = quarantine / "bad-7"
    ledger.bad[7] = Oddity(
        name="bad-7",
        octets=b"bad",
        place=str(place),
        dropped=Said(life=1, at=1),
        quarantined=Said(life=1, at=1),
    )

    assert list(missing_from_quarantine(ledger, quarantine)) == ["bad-7"]
    place.write_bytes(b"bad")
    inspect(ledger, drop)
    assert "not there with its reason" in ledger.wrongs.pop()

    (quarantine / "bad-7.reason").write_text("why")
    inspect(ledger, drop)
    assert ledger.wrongs == []

    (drop / "bad-7").write_bytes(b"bad")
    inspect(ledger, drop)
    assert "again in the drop" in ledger.wrongs.pop()
