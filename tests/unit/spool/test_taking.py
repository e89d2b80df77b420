# SPDX-License-Identifier: Apache-2.0
"""When a file is taken, and what is left then."""

import os
from datetime import timedelta

import pytest

from maildropd.edge.spool.sight import Sight
from maildropd.host.watch import Changes
from maildropd.mail.events import FileLeftAlone
from tests.unit.spool.stage import CONTENT, MAIL, POLL, SETTLE, Stage

LONGEST = b"n" * 255


def test_a_file_that_was_closed_is_taken_at_once(stage: Stage) -> None:
    stage.run()
    stage.write("mail")

    stage.closed("mail")

    (taken,) = stage.store.taken
    assert taken.content == CONTENT
    assert taken.recipients == ("bob@example.net",)
    assert taken.reverse_path == "carol@example.org"
    assert taken.submitter.uid == os.getuid()
    assert str(taken.submitter) == f"spool=drop uid={os.getuid()}"
    assert stage.names() == []


def test_a_file_that_nobody_reported_is_taken_when_it_is_at_rest(stage: Stage) -> None:
    """It may still be written; a poll cannot see who has it open."""
    stage.write("mail")

    stage.run()
    assert stage.names() == ["mail"]
    stage.rest()

    assert stage.contents == [CONTENT]
    assert stage.names() == []


def test_the_next_look_is_when_the_file_will_be_at_rest(stage: Stage) -> None:
    stage.write("mail")

    stage.run()
    stage.pickup._turn()

    assert timedelta(0) < stage.watch.waits[-1] <= SETTLE


def test_with_nothing_to_do_only_the_heartbeat_ends_the_wait(stage: Stage) -> None:
    stage.run()
    stage.pickup._turn()

    assert stage.watch.waits[-1] == timedelta(seconds=20)
    stage.clock.forward(POLL - timedelta(seconds=1))
    stage.pickup._turn()
    assert stage.watch.waits[-1] == timedelta(seconds=1)


def test_a_file_that_keeps_growing_is_not_taken(stage: Stage) -> None:
    path = stage.write("mail")

    for size in range(1, 20):
        stage.rest(SETTLE / 2)
        now = stage.clock.now().timestamp()
        path.write_bytes(MAIL + b"x" * size)
        os.utime(path, (now, now))

    assert stage.contents == []


@pytest.mark.parametrize("offset", [timedelta(days=365), timedelta(hours=1)])
def test_a_file_from_the_future_is_taken_when_it_rests(
    stage: Stage, offset: timedelta
) -> None:
    """A clock that was set back must not wedge what was written before."""
    stage.write("mail")
    stage.clock.jump(-offset)

    stage.run()
    assert stage.contents == []
    stage.rest()

    assert stage.contents == [CONTENT]


def test_a_file_from_the_future_that_changes_is_not_taken(stage: Stage) -> None:
    path = stage.write("mail")
    ahead = stage.clock.now().timestamp() + 86400

    for step in range(4):
        os.utime(path, (ahead + step, ahead + step))
        stage.rest(SETTLE * 0.9)

    assert stage.contents == []
    stage.rest()
    assert stage.contents == [CONTENT]


@pytest.mark.parametrize("name", [".mail", ".mail.tmp", "mail.tmp", "mail.lck"])
def test_hidden_files_drafts_and_locks_are_never_touched(
    stage: Stage, name: str
) -> None:
    stage.write(name)

    stage.closed(name)
    stage.rest()
    stage.rest(POLL)

    assert stage.names() == [name]
    assert stage.journal.of(FileLeftAlone) == []


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.eml", LONGEST, b"a b\n\x1b", b"-rf", b"4711", b"x.lck.y"]
)
def test_any_other_name_will_do(stage: Stage, name: bytes) -> None:
    stage.write(name)

    stage.closed(name)

    assert stage.contents == [CONTENT]
    assert stage.names() == []


def test_a_slow_look_does_not_hold_up_what_is_reported(stage: Stage) -> None:
    """Reports come between slices of the directory, not after all of it."""
    for number in range(600):
        stage.write(f"old{number}")
    stage.run()
    stage.clock.forward(SETTLE)
    stage.pickup._turn()
    assert stage.pickup._scan
    stage.write("new", b"##To:new@x\nnew\n")

    stage.watch.reports.append(Changes(closed=(b"new",)))
    stage.pickup._turn()

    position = stage.store.contents.index(b"new\n")
    assert position < 300


def test_the_oldest_of_a_few_goes_first(stage: Stage) -> None:
    for age, name in enumerate("cadb"):
        path = stage.write(name, f"##To:{name}@x\n{name}".encode())
        os.utime(path, (1000 + age, 1000 + age))

    stage.rest()

    assert stage.contents == [b"c", b"a", b"d", b"b"]


def test_a_file_reported_twice_is_stored_once(stage: Stage) -> None:
    stage.write("mail")

    stage.watch.reports.append(Changes(closed=(b"mail", b"mail")))
    stage.closed("mail")
    stage.rest()

    assert stage.store.submissions == 1


def test_a_file_found_again_before_it_is_stored_is_not_read_again(
    stage: Stage,
) -> None:
    path = stage.write("mail")
    stage.run()
    stage.pickup._taker.told(b"mail")

    stage.pickup._taker.told(b"mail")
    stage.pickup._taker.take(Sight(b"mail", os.stat(path)), told=True)

    assert stage.store.submissions == 1


def test_a_file_that_was_removed_again_is_nothing(stage: Stage) -> None:
    stage.closed("mail")

    assert stage.contents == []
    assert stage.journal.of(FileLeftAlone) == []


def test_a_large_mail_comes_through_in_pieces(stage: Stage) -> None:
    text = b"Subject: large\n\n" + os.urandom(700_000)
    stage.write("mail", b"##To:bob@x\n" + text)

    stage.closed("mail")

    assert stage.contents == [text]


def test_a_large_header_is_read_whole(stage: Stage) -> None:
    names = ",".join(f"a-longer-name{number}@host.example" for number in range(9_000))
    stage.write("mail", f"To: {names}\nBcc: hidden@x\n\ntext".encode())

    stage.closed("mail")

    (taken,) = stage.store.taken
    assert len(taken.recipients) == 9_001
    assert taken.content == f"To: {names}\n\ntext".encode()


def test_submissions_share_commits_but_not_without_limit(stage: Stage) -> None:
    """The store groups what waits together; what waits is bounded."""
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(stage.pickup._taker._under_way))

    stage.store.while_storing = count
    for number in range(450):
        stage.write(f"mail{number}")

    stage.rest()

    assert len(stage.contents) == 450
    assert 100 < most < 200


def test_a_stop_in_the_middle_brings_what_was_read_to_its_end(stage: Stage) -> None:
    for number in range(300):
        stage.write(f"mail{number}")
    stage.run()
    stage.clock.forward(SETTLE)
    stage.pickup._turn()

    stage.close()

    assert 0 < len(stage.contents) < 300
    assert len(stage.names()) == 300 - len(stage.contents)
    assert stage.store.keys == set()


def test_a_stop_brings_what_was_read_to_its_end(stage: Stage) -> None:
    stage.write("mail")
    stage.run()
    stage.watch.reports.append(Changes(closed=(b"mail",)))

    stage.pickup._turn()
    stage.close()

    assert stage.names() == []
    assert stage.store.keys == set()
