# SPDX-License-Identifier: Apache-2.0
"""What was not told one by one is told in one mail, and leaves with it."""

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from maildropd.mail.bounce_events import BouncesDigested, MessageBounced
from maildropd.mail.envelope import Terms
from maildropd.mail.events import RecipientFailed
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.queue.digester import Digester
from maildropd.relay.base import Delivery
from maildropd.store.base import State
from tests.fakes.transport import OK
from tests.unit.queue.desk import Desk

ANN = "ann@example.org"
HOUR = timedelta(hours=1)


def refuse(delivery: Delivery) -> tuple[Outcome, ...]:
    refused = Reply(550, "5.1.1", "no such user")
    return tuple(
        Outcome.of(OK if path == ANN else refused, "fake:25")
        for path in delivery.recipients
    )


class Storm:
    """A queue in which all mail fails, and who tells of it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.desk.relay.script = refuse
        self.digester = Digester(
            self.desk.press, self.desk.store.failures, self.desk.journal
        )

    def fail(self, count: int) -> None:
        """Have so many mails of one sender fail."""
        added = [
            self.desk.begin_to_add(f"r{number}@x", sender=ANN)
            for number in range(count)
        ]
        for each in added:
            each.result(30)
        self.desk.start()
        self.desk.journal.wait_for(RecipientFailed, count, 60)

    def failed(self) -> int:
        return self.desk.store.counts()[State.FAILED]

    def tick(self, times: int = 50) -> None:
        for _ in range(times):
            self.digester.tick()


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    storm = Storm(tmp_path)
    yield storm
    storm.desk.stop()


def test_ten_thousand_failures_are_fifty_reports_and_one_more(storm: Storm) -> None:
    """A bounce storm fills the mailbox it is meant to warn."""
    storm.fail(10_000)

    storm.tick()
    storm.desk.store.forget_keys(["-"]).result(10)  # all changes before it are made
    assert storm.failed() == 9950
    assert not storm.desk.journal.of(BouncesDigested)
    storm.desk.clock.forward(HOUR)
    storm.tick()
    (told,) = storm.desk.journal.wait_for(BouncesDigested)

    assert (told.sender, told.messages, told.recipients) == (ANN, 9950, 9950)
    assert storm.failed() == 0
    assert len(storm.desk.journal.of(MessageBounced)) == 50
    storm.desk.until(
        lambda: told.bounce in {one[0] for one in list(storm.desk.relay.seen)}
    )
    (octets,) = [one[2] for one in storm.desk.relay.seen if one[0] == told.bounce]
    mail = message_from_bytes(octets)
    assert mail["Auto-Submitted"] == "auto-replied"
    assert str(mail.get_payload()).count("no such user") == 9950


def test_what_could_not_be_told_is_told_later(
    storm: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise KeyError("a bug")

    monkeypatch.setattr("maildropd.queue.press.report", broken)
    storm.fail(1)
    monkeypatch.undo()

    storm.tick()

    (told,) = storm.desk.journal.wait_for(BouncesDigested)
    assert told.recipients == 1
    assert storm.failed() == 0


def test_who_wants_no_report_and_who_has_no_sender_stays(storm: Storm) -> None:
    storm.desk.add("a@x", sender=ANN, terms=(Terms(notify="NEVER"),))
    storm.desk.add("b@x", sender=None)
    storm.desk.start()
    storm.desk.journal.wait_for(RecipientFailed, 2)

    storm.tick()

    assert storm.failed() == 2
    assert not storm.desk.journal.of(BouncesDigested)
