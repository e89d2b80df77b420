# SPDX-License-Identifier: Apache-2.0
"""Who failed leaves the queue as the report to his sender enters it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.bounce_events import BouncesDamped, MessageBounced, NobodyToTell
from maildropd.mail.envelope import QueueId, Terms
from maildropd.mail.errors import StoreFull
from maildropd.mail.events import (
    MessageAccepted,
    MessageDone,
    RecipientExpired,
    RecipientFailed,
)
from maildropd.mail.outcome import Outcome, Passed
from maildropd.mail.reply import Reply
from maildropd.mail.service_events import InternalError
from maildropd.relay.base import Delivery
from maildropd.store.base import State
from tests.fakes.transport import OK
from tests.unit.bounce.reading import Read, read
from tests.unit.queue.desk import Desk

ANN = "ann@example.org"
REFUSED = Reply(550, "5.1.1", "no such user")
BUSY = Reply(451, "4.7.1", "greylisted")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.relay.script = by_name
    yield desk
    desk.stop()


def by_name(delivery: Delivery) -> tuple[Outcome, ...]:
    """Answer each as its name says."""
    replies = {"bad": REFUSED, "busy": BUSY}
    return tuple(
        Outcome.of(
            replies.get(path.partition("@")[0].rstrip("0123456789"), OK), "fake:25"
        )
        for path in delivery.recipients
    )


def reports(desk: Desk, count: int = 1) -> list[Read]:
    """Wait until so many reports have gone out; return them."""
    told = desk.journal.wait_for(MessageBounced, count)
    desk.journal.wait_for(MessageDone, count)
    names = {each.bounce for each in told}
    desk.until(lambda: names <= {one[0] for one in list(desk.relay.seen)})
    return [read(octets) for name, _, octets in desk.relay.seen if name in names]


def left(desk: Desk, name: QueueId) -> list[tuple[str, State]]:
    view = desk.store.show(name)
    found = view.recipients if view else ()
    return [(each.forward_path, each.state) for each in found]


def test_only_the_refused_are_reported_and_only_they_leave(desk: Desk) -> None:
    """Peers bounce the whole message for one recipient, or forget him."""
    name = desk.add("good@x", "busy@x", "bad@x", sender=ANN)
    desk.start()

    (found,) = reports(desk)

    assert [one["Final-Recipient"] for one in found.recipients] == ["rfc822; bad@x"]
    assert left(desk, name) == [("busy@x", State.DEFERRED)]
    (failed,) = desk.journal.of(RecipientFailed)
    (bounced,) = desk.journal.of(MessageBounced)
    assert failed.bounce == bounced.bounce
    assert (bounced.sender, bounced.recipients, bounced.action) == (ANN, 1, "failed")


def test_those_who_fail_together_share_a_report(desk: Desk) -> None:
    desk.add(*(f"bad{n}@x" for n in range(30)), sender=ANN)
    desk.start()

    (found,) = reports(desk)

    assert len(found.recipients) == 30
    assert len(desk.journal.of(MessageBounced)) == 1


def test_a_report_is_a_message_like_any_other_without_a_sender(desk: Desk) -> None:
    desk.add("bad@x", sender=ANN)
    desk.start()
    reports(desk)

    (bounced,) = desk.journal.of(MessageBounced)
    (accepted,) = desk.journal.of(MessageAccepted)
    assert accepted.queue_id == bounced.bounce
    assert (accepted.sender, accepted.submitter) == ("", "bounce")
    assert [to for name, to, _ in desk.relay.seen if name == bounced.bounce] == [(ANN,)]
    desk.journal.wait_for(MessageDone, 2)
    assert desk.store.counts() == {} or not any(desk.store.counts().values())


def test_what_is_too_old_is_reported_with_the_last_reply(desk: Desk) -> None:
    """Mailman discards after the retry period, and only the log knows."""
    desk.add("busy@x", sender=ANN)
    desk.clock.forward(timedelta(days=6))
    desk.start()

    (found,) = reports(desk)

    assert found.recipients[0]["Status"] == "4.4.7"
    assert found.recipients[0]["Diagnostic-Code"] == "smtp; 451 4.7.1 greylisted"
    assert desk.journal.of(RecipientExpired)[0].bounce


def test_a_bounce_that_bounces_is_kept_and_told_to_nobody(desk: Desk) -> None:
    """Never bounce a bounce: some send one a second."""
    name = desk.add("bad@x", sender="bad2@x")
    desk.start()

    desk.journal.wait_for(NobodyToTell)

    (bounced,) = desk.journal.of(MessageBounced)
    (told,) = desk.journal.of(NobodyToTell)
    assert (told.queue_id, told.recipients) == (bounced.bounce, 1)
    assert left(desk, bounced.bounce) == [("bad2@x", State.FAILED)]
    assert left(desk, name) == []
    assert len(desk.relay.seen) == 2


@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY"])
def test_who_wants_no_report_gets_none_and_the_recipient_stays(
    desk: Desk, notify: str
) -> None:
    name = desk.add("bad@x", sender=ANN, terms=(Terms(notify=notify),))
    desk.start()

    desk.journal.wait_for(RecipientFailed)

    assert left(desk, name) == [("bad@x", State.FAILED)]
    assert not desk.journal.of(MessageBounced)
    assert not desk.journal.of(NobodyToTell)


@pytest.mark.parametrize("passed", [Passed.RELAYED, Passed.DELIVERED])
def test_who_asks_hears_of_a_success(desk: Desk, passed: Passed) -> None:
    terms = (Terms(notify="SUCCESS", orcpt="rfc822;good@y"), Terms())
    desk.relay.script = lambda delivery: tuple(
        Outcome(disposition=each.disposition, reply=OK, relay="fake:25", passed=passed)
        for each in by_name(delivery)
    )
    desk.add("good@x", "good2@x", sender=ANN, terms=terms)
    desk.start()

    (found,) = reports(desk)

    assert [one["Action"] for one in found.recipients] == [passed]
    assert found.recipients[0]["Original-Recipient"] == "rfc822; good@y"


def test_what_the_next_server_reports_is_not_reported_here(desk: Desk) -> None:
    """RFC 3461 5.2.2: the wish was passed on."""
    promised = Outcome.of(OK, "fake:25")
    desk.relay.script = lambda _: (
        Outcome(
            disposition=promised.disposition,
            reply=OK,
            relay="fake:25",
            passed=Passed.PROMISED,
        ),
    )
    desk.add("good@x", sender=ANN, terms=(Terms(notify="SUCCESS"),))
    desk.start()
    desk.journal.wait_for(MessageDone)

    assert not desk.journal.of(MessageBounced)


def test_all_of_it_comes_back_where_that_was_asked_for(desk: Desk) -> None:
    desk.add("bad@x", sender=ANN, ret="FULL", content=b"Subject: x\n\nbody\n")
    desk.add("bad@x", sender=ANN, ret="HDRS", content=b"Subject: x\n\nbody\n")
    desk.start()

    found = reports(desk, 2)

    assert {each.original for each in found} == {
        b"Subject: x\n\nbody\n",
        b"Subject: x\n\n",
    }


def test_what_is_signed_in_8_bits_keeps_its_report_from_no_server(desk: Desk) -> None:
    """Its own server had no 8BITMIME, nor took the report: the sender heard nothing."""
    head = b"Subject: J\xc3\xb6rg\nDKIM-Signature: v=1\n\n"
    desk.add("bad@x", sender=ANN, ret="FULL", content=head + b"J\xc3\xb6rg\n")
    desk.start()

    [found] = reports(desk, 1)

    assert found.kinds[2] == "text/rfc822-headers"
    assert found.original == head


def test_a_storm_is_damped_and_what_is_beyond_is_kept(desk: Desk) -> None:
    """One a second, or fifteen a day for weeks: nobody reads them."""
    for _ in range(200):
        desk.add("bad@x", sender=ANN)
    desk.start()

    desk.journal.wait_for(RecipientFailed, 200)

    assert len(desk.journal.of(MessageBounced)) == 50
    assert desk.store.counts()[State.FAILED] == 150
    assert [each.limit for each in desk.journal.of(BouncesDamped)] == [50]


def test_a_report_that_cannot_be_made_leaves_all_to_be_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours in the report must not lose the original, nor stop the queue."""

    def broken(*_: object) -> object:
        raise KeyError("a bug")

    monkeypatch.setattr("maildropd.queue.press.report", broken)
    name = desk.add("bad@x", sender=ANN)
    desk.start()

    desk.journal.wait_for(RecipientFailed)

    assert left(desk, name) == [("bad@x", State.FAILED)]
    assert len(desk.journal.of(InternalError)) == 1


def test_a_report_for_which_there_is_no_room_leaves_all_to_be_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dma deleted the original when its bounce could not be written."""

    def full(*_: object) -> object:
        raise StoreFull("no room")

    name = desk.add(*(f"bad{n}@x" for n in range(3000)), sender=ANN)
    monkeypatch.setattr(desk.store._content, "_into_file", full)
    desk.start()

    desk.journal.wait_for(RecipientFailed, 3000)

    assert {state for _, state in left(desk, name)} == {State.FAILED}
    assert not desk.journal.of(MessageBounced)


def test_a_message_whose_content_is_lost_still_bounces(desk: Desk) -> None:
    """The server refuses the recipient before it asks for the content."""
    desk.relay.reads = False
    name = desk.add("bad@x", sender=ANN, content=b"X: y\n" * 60_000)
    (desk.folder / "content" / name).unlink()
    desk.start()

    desk.journal.wait_for(MessageBounced)

    assert left(desk, name) == []
