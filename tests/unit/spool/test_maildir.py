# SPDX-License-Identifier: Apache-2.0
"""A Maildir that other programs queue mail in, and may send from."""

import os
from datetime import timedelta

import pytest

from maildropd.edge.spool.sight import Sight
from maildropd.edge.spool.under_way import UnderWay
from maildropd.mail.errors import StoreFull
from maildropd.mail.events import FileLeftAlone
from maildropd.mail.service_events import SenderGone
from tests.unit.spool.maildirs import CONTENT, LOCKS, NAME, ZOPE, aged, linked
from tests.unit.spool.stage import POLL, Stage


def test_a_mail_is_taken_and_nothing_stays(queue: Stage) -> None:
    queue.write(NAME, ZOPE)

    queue.closed(NAME)

    (taken,) = queue.store.taken
    assert taken.content == CONTENT
    assert (taken.reverse_path, taken.recipients) == ("a@x.example", ("b@x.example",))
    assert queue.names() == []
    assert queue.store.forgotten == [taken.key]


def test_while_it_is_taken_others_see_that_somebody_sends_it(queue: Stage) -> None:
    """They look for a file of that name, and for nothing in it."""
    seen: list[str] = []
    queue.store.while_storing = lambda: seen.extend(queue.names())
    queue.write(NAME, ZOPE)

    queue.closed(NAME)

    assert seen == [f".sending-{NAME}", NAME]


def test_a_name_that_ends_in_lck_or_tmp_means_nothing_here(queue: Stage) -> None:
    queue.write("a.lck", ZOPE)
    queue.write("a.tmp", ZOPE)
    queue.write("a", ZOPE)

    queue.rest()

    assert len(queue.contents) == 3


@pytest.mark.parametrize("prefix", LOCKS)
def test_what_somebody_sends_is_left_alone(queue: Stage, prefix: str) -> None:
    linked(queue, prefix)

    queue.closed(NAME)
    queue.rest(POLL)

    assert queue.contents == []
    assert queue.names() == [f"{prefix}{NAME}", NAME]


@pytest.mark.parametrize("prefix", LOCKS)
def test_what_somebody_stopped_sending_is_taken_over(queue: Stage, prefix: str) -> None:
    linked(queue, prefix, timedelta(hours=3, seconds=1))

    queue.rest()

    assert queue.contents == [CONTENT]
    assert queue.names() == []
    assert len(queue.journal.of(SenderGone)) == 1


def test_it_is_taken_over_when_its_time_has_come_not_at_the_next_poll(
    queue: Stage,
) -> None:
    queue.restart(poll_interval=timedelta(days=1))
    linked(queue, ".sending-", timedelta(hours=2, minutes=59))
    queue.run()

    queue.rest(timedelta(minutes=1))
    queue.rest()

    assert queue.contents == [CONTENT]


@pytest.mark.parametrize("prefix", [".rejected-", ".rejected_"])
def test_what_was_refused_for_good_is_left_until_somebody_says_so(
    queue: Stage, prefix: str
) -> None:
    """As the manual of gs.email has it: remove that file, and the mail is sent."""
    mark = linked(queue, prefix, timedelta(days=2))
    queue.rest()
    queue.rest(POLL)
    assert queue.contents == []
    assert len(queue.journal.of(FileLeftAlone)) == 1

    mark.unlink()
    queue.rest(POLL)

    assert queue.contents == [CONTENT]


def test_a_name_with_a_dot_is_never_sent(queue: Stage) -> None:
    queue.write(f".rejected-{NAME}", ZOPE)
    queue.write(".hidden", ZOPE)

    queue.closed(f".rejected-{NAME}", ".hidden")
    queue.rest(POLL)

    assert queue.contents == []
    assert queue.names() == [".hidden", f".rejected-{NAME}"]


def test_who_is_faster_sends_it(queue: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one links it after we looked, and before we make our mark."""
    mail = queue.write(NAME, ZOPE)
    may_take = queue.custom.may_take

    def meanwhile(directory: int, sight: Sight) -> bool:
        free = may_take(directory, sight)
        (queue.path / f".sending-{NAME}").hardlink_to(mail)
        return free

    monkeypatch.setattr(queue.custom, "may_take", meanwhile)
    queue.closed(NAME)

    assert queue.contents == []
    assert queue.names() == [f".sending-{NAME}", NAME]


def test_a_mark_that_another_took_away_keeps_us_from_storing(queue: Stage) -> None:
    """They remove what they hold for abandoned, and may be slow about it."""

    def steal() -> None:
        (queue.path / f".sending-{NAME}").unlink()
        (queue.path / f".sending-{NAME}").hardlink_to(queue.path / NAME)

    queue.store.before_reading = steal
    queue.write(NAME, ZOPE)

    queue.closed(NAME)

    assert queue.contents == []
    assert queue.names() == [f".sending-{NAME}", NAME]


def test_a_mail_that_is_touched_after_it_was_read_goes_once(queue: Stage) -> None:
    """They touch what they look at, a moment before they see that it is ours."""
    queue.store.while_storing = lambda: os.utime(queue.path / NAME)
    queue.write(NAME, ZOPE)

    queue.closed(NAME)
    queue.rest()

    assert queue.contents == [CONTENT]
    assert queue.names() == []


def test_a_mail_that_was_written_anew_after_it_was_read_goes_too(queue: Stage) -> None:
    def rewrite() -> None:
        queue.store.while_storing = lambda: None
        queue.write(NAME, ZOPE.replace(b"hello", b"other"))

    queue.store.while_storing = rewrite
    queue.write(NAME, ZOPE)

    queue.closed(NAME)
    queue.rest()

    assert queue.contents == [CONTENT, CONTENT.replace(b"hello", b"other")]


@pytest.mark.parametrize("touched", [False, True])
def test_a_crash_between_commit_and_removal_makes_one_mail(
    queue: Stage, monkeypatch: pytest.MonkeyPatch, *, touched: bool
) -> None:
    """Whoever looked at it in between may have touched it."""
    mail = queue.write(NAME, ZOPE)
    with monkeypatch.context() as cut:
        cut.setattr(UnderWay, "_remove", lambda *_: StoreFull("the power is cut"))
        cut.setattr(queue.custom, "release", lambda *_: None)
        queue.closed(NAME)
    assert queue.names() == [f".sending-{NAME}", NAME]
    if touched:
        aged(mail, queue, timedelta(minutes=7))

    queue.restart()
    queue.rest()

    assert len(queue.contents) == 1
    assert queue.names() == []


def test_a_mark_of_ours_is_taken_up_at_once(queue: Stage) -> None:
    """We were stopped before anything was stored; there is no other of ours."""
    queue.write(f".sending-{NAME}", b"")
    queue.write(NAME, ZOPE)

    queue.closed(NAME)

    assert queue.contents == [CONTENT]
    assert queue.names() == []
    assert queue.journal.of(SenderGone) == []


def test_a_mark_of_ours_without_its_mail_is_removed(queue: Stage) -> None:
    """We were stopped between the two; what others left is theirs."""
    queue.write(f".sending-{NAME}", b"")
    queue.write(".sending-other", ZOPE)

    queue.run()

    assert queue.names() == [".sending-other"]


def test_a_store_that_takes_nothing_leaves_the_mail_to_whoever_can(
    queue: Stage,
) -> None:
    queue.store.broken = StoreFull("full")
    queue.write(NAME, ZOPE)

    queue.closed(NAME)
    assert queue.names() == [NAME]

    queue.store.broken = None
    queue.rest(POLL)
    assert queue.contents == [CONTENT]


def test_the_oldest_is_sent_first(queue: Stage) -> None:
    for number in range(300):
        mail = queue.write(f"m{number}", ZOPE.replace(b"hello", b"%d" % number))
        aged(mail, queue, timedelta(minutes=number))

    queue.rest()

    assert [int(each[13:]) for each in queue.contents] == list(reversed(range(300)))
