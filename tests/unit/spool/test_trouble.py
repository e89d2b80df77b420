# SPDX-License-Identifier: Apache-2.0
"""The store refuses, the kernel refuses, we have a bug: mail stays, others go on."""

import errno
import os
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest

from maildropd.edge.spool import under_way
from maildropd.edge.spool.sight import Sight
from maildropd.mail.errors import MailError, StoreFull, StoreUnusable
from maildropd.mail.events import FileLeftAlone
from maildropd.mail.service_events import InternalError
from maildropd.store.base import Stored
from tests.unit.spool.stage import CONTENT, POLL, Stage

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class Surprise(MailError):
    """Neither transient nor permanent: nobody has thought of it."""


@pytest.mark.parametrize("trouble", [StoreFull("full"), StoreUnusable("locked")])
def test_a_mail_that_the_store_refuses_stays_and_others_go_on(
    stage: Stage, trouble: Exception
) -> None:
    stage.write("a")
    stage.write("b")
    stage.run()
    stage.store.troubles.append(trouble)

    stage.closed("a", "b")

    assert stage.names() == ["a"]
    assert stage.contents == [CONTENT]
    assert stage.journal.events[1:] == []  # the store tells its own trouble


def test_the_pause_before_the_next_try_grows_to_the_poll_interval(stage: Stage) -> None:
    stage.write("mail")
    stage.rest(POLL)
    stage.write("mail")
    stage.store.broken = StoreUnusable("locked")
    stage.rest(POLL)
    pauses = []

    for _ in range(8):
        pauses.append(stage.pickup._next_look.wait)
        stage.clock.forward(pauses[-1])
        stage.run()

    assert [pause / SECOND for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]
    stage.store.broken = None
    stage.clock.forward(POLL)
    stage.run()
    assert stage.names() == []


def test_the_pause_is_short_again_after_a_look_without_trouble(stage: Stage) -> None:
    stage.write("mail")
    stage.store.broken = StoreUnusable("locked")
    for _ in range(5):
        stage.rest(POLL)
    stage.store.broken = None
    stage.rest(POLL)
    stage.rest(POLL)

    stage.write("next")
    stage.store.broken = StoreUnusable("locked")
    stage.closed("next")

    assert stage.pickup._next_look.wait == SECOND


def test_with_a_store_that_takes_nothing_the_rest_is_not_even_read(
    stage: Stage,
) -> None:
    for number in range(1000):
        stage.write(f"mail{number}")
    reads = 0

    def count() -> None:
        nonlocal reads
        reads += 1

    stage.store.before_reading = count
    stage.store.broken = StoreUnusable("locked")

    stage.rest()

    assert reads < 500
    assert len(stage.names()) == 1000
    stage.store.broken = None
    stage.rest(POLL)
    assert stage.names() == []


def test_a_bug_with_one_mail_is_told_and_the_others_go_on(stage: Stage) -> None:
    """It is tried again, and told again: nobody may overlook it."""

    def stumble() -> None:
        if len(stage.contents) == 1:
            raise ZeroDivisionError("a bug")

    for name in "abc":
        stage.write(name)
    stage.store.before_reading = stumble
    stage.rest()
    assert len(stage.contents) == 1
    assert len(stage.names()) == 2
    first, _ = stage.journal.of(InternalError)
    assert first.where.startswith("spool drop, ")
    assert first.error == "ZeroDivisionError('a bug')"
    assert "Traceback" in first.traceback

    stage.store.before_reading = lambda: None
    stage.rest(5 * MINUTE)

    assert stage.names() == []


def test_a_bug_with_one_mail_is_met_ever_more_rarely(stage: Stage) -> None:
    """It was met at each poll, with a traceback in the log each time."""

    def stumble() -> None:
        raise ZeroDivisionError("a bug")

    stage.write("mail")
    stage.run()
    stage.store.before_reading = stumble

    stage.closed("mail")
    for _ in range(24 * 60):
        stage.clock.forward(MINUTE)
        stage.run()

    assert len(stage.journal.of(InternalError)) == 11


def test_without_memory_a_mail_is_no_bug(stage: Stage) -> None:
    def stumble() -> None:
        raise MemoryError

    stage.write("mail")
    stage.run()
    stage.store.before_reading = stumble
    stage.closed("mail")
    stage.store.before_reading = lambda: None
    (told,) = stage.journal.of(FileLeftAlone)

    stage.rest()

    assert stage.contents == [CONTENT]
    assert told.reason == "there is no memory to read it"
    assert stage.journal.of(InternalError) == []


def test_a_file_that_cannot_be_removed_goes_when_it_can_and_is_sent_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed for good; with another mode, the next start sent it again."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = stage.write("mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        stage.closed("mail")
        path.chmod(0o600)
        for _ in range(5):
            stage.closed("mail")
            stage.rest(POLL)
    (event,) = stage.journal.of(FileLeftAlone)
    assert event.reason.startswith("stored, but it cannot be removed (Op")

    stage.rest(10 * MINUTE)
    stage.rest(POLL)

    assert stage.names() == []
    assert stage.store.submissions == 1
    assert len(stage.store.forgotten) == 1


def test_a_bug_behind_the_door_is_told_too(stage: Stage) -> None:
    stage.write("mail")
    stage.run()
    stage.store.troubles.append(Surprise("odd"))

    stage.closed("mail")

    (event,) = stage.journal.of(InternalError)
    assert event.where == "spool drop, mail"


def test_what_the_disk_does_not_give_is_told_once_and_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    stage.write("mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", broken)
        stage.closed("mail")
        stage.rest(POLL)
        patch.setattr(os, "read", lambda *_: pytest.fail("it was read again"))
        stage.rest(POLL)
    (event,) = stage.journal.of(FileLeftAlone)
    assert event.reason == "it cannot be read (Input/output error)"

    stage.rest(5 * MINUTE)

    assert stage.contents == [CONTENT]


def test_a_name_that_cannot_be_looked_at_is_told_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def broken(path: Any, **more: Any) -> os.stat_result:
        if path == b"mail":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **more)

    stage.write("mail")
    stage.write("other")
    stage.run()
    monkeypatch.setattr(os, "stat", broken)

    stage.rest(POLL)
    stage.rest(POLL)

    (event,) = stage.journal.of(FileLeftAlone)
    assert (event.file, event.reason) == ("mail", "Input/output error")
    assert stage.contents == [CONTENT]


def test_no_descriptors_left_is_no_reason_to_set_mail_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def full(path: Any, *args: Any, **more: Any) -> int:
        if path == b"mail":
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *args, **more)

    stage.write("mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        stage.rest(POLL)
    assert stage.names() == ["mail"]

    stage.rest(POLL)

    assert stage.contents == [CONTENT]


def test_a_refusal_that_comes_with_the_stop_leaves_the_file(stage: Stage) -> None:
    stage.write("mail")
    stage.run()
    stage.store.troubles.append(StoreFull("full"))

    stage.pickup._taker.told(b"mail")
    stage.close()

    assert stage.names() == ["mail"]


def test_waiting_for_a_slow_store_is_a_sign_of_life(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the store that hangs then, and the store has its own promise."""
    monkeypatch.setattr(under_way, "_PATIENCE", 0.001)
    answer: Future[Stored] = Future()
    signs = []

    def alive() -> None:
        signs.append(1)
        if len(signs) == 3:
            answer.set_exception(StoreFull("full"))

    waiting = under_way.UnderWay(stage.custom, stage.store, alive)
    sight = Sight(b"mail", os.stat(stage.write("mail")))
    waiting.add(under_way.Named(sight, "key"), 1, answer)

    ((failed, error),) = waiting.settle(-1, 0)

    assert failed is sight
    assert isinstance(error, StoreFull)


def test_each_turn_promises_another_within_a_minute(stage: Stage) -> None:
    stage.write("mail")
    stage.rest()
    stage.clock.forward(timedelta(seconds=59))
    assert stage.heartbeats.late() == ()
    stage.clock.forward(timedelta(seconds=2))
    assert stage.heartbeats.late() == ("spool-drop",)

    stage.pickup._turn()

    assert stage.heartbeats.late() == ()
