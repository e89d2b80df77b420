# SPDX-License-Identifier: Apache-2.0
"""Locks of MaildropHost: ``NAME.lck`` beside ``NAME``."""

import errno
import os
from datetime import timedelta

import pytest

from maildropd.edge.spool import drop
from maildropd.mail.events import FileLeftAlone, MessageQuarantined
from maildropd.mail.service_events import LockAbandoned
from tests.unit.spool.stage import CONTENT, MAIL, POLL, Stage


def test_a_locked_mail_waits_until_the_lock_is_gone(stage: Stage) -> None:
    lock = stage.write("mail.lck", b"locked")
    stage.write("mail")
    stage.closed("mail.lck", "mail")
    stage.rest()
    stage.rest(POLL)
    assert stage.contents == []

    lock.unlink()
    stage.gone("mail.lck")

    assert stage.contents == [CONTENT]
    assert stage.names() == []


def test_without_a_report_the_end_of_a_lock_is_found_at_the_next_poll(
    stage: Stage,
) -> None:
    lock = stage.write("mail.lck")
    stage.write("mail")
    stage.rest()

    lock.unlink()
    stage.rest(POLL)

    assert stage.contents == [CONTENT]


def test_a_mail_that_is_locked_while_it_is_read_is_not_stored(stage: Stage) -> None:
    """Its writer has come back to write it anew."""
    stage.store.before_reading = lambda: stage.write("mail.lck")
    stage.write("mail")

    stage.closed("mail")
    stage.rest()

    assert stage.contents == []
    assert stage.names() == ["mail", "mail.lck"]


def test_a_lock_that_was_left_behind_does_not_block_for_ever(stage: Stage) -> None:
    """Its writer died before it was done, so its mail is never sent."""
    stage.write("mail", MAIL[:-5])
    stage.write("mail.lck")
    stage.run()

    stage.rest(timedelta(days=1, seconds=5))

    assert stage.contents == []
    assert stage.names() == []
    mail, lock, note = stage.quarantined()
    assert (lock, note) == (mail + ".lck", mail + ".reason")
    (event,) = stage.journal.of(LockAbandoned)
    assert (event.file, event.reason) == ("mail", "locked for 1 days and 0 hours")
    assert len(stage.journal.of(MessageQuarantined)) == 1


def test_a_lock_goes_with_its_mail_to_a_quarantine_on_another_disk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed, and the mail just set aside was said to be left alone."""

    def rename(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    stage.write("mail", MAIL[:-5])
    stage.write("mail.lck", b"4711")
    stage.run()
    monkeypatch.setattr(os, "rename", rename)

    stage.rest(timedelta(days=1, seconds=5))

    assert stage.names() == []
    mail, lock, note = stage.quarantined()
    assert (lock, note) == (mail + ".lck", mail + ".reason")
    assert (stage.config.quarantine / lock).read_bytes() == b"4711"
    assert stage.journal.of(FileLeftAlone) == []


def test_a_writer_that_still_writes_may_keep_its_lock(stage: Stage) -> None:
    stage.write("mail.lck")
    stage.run()
    stage.clock.forward(timedelta(days=2))
    path = stage.write("mail")
    now = stage.clock.now().timestamp()
    os.utime(path, (now, now))

    stage.rest(POLL)

    assert stage.names() == ["mail", "mail.lck"]
    assert stage.journal.of(LockAbandoned) == []


def test_a_lock_that_cannot_be_set_aside_is_told_once(stage: Stage) -> None:
    stage.config.quarantine.write_bytes(b"in the way")
    stage.write("mail")
    stage.write("mail.lck")
    stage.run()

    stage.rest(timedelta(days=2))
    stage.rest(POLL)
    assert len(stage.journal.of(LockAbandoned)) == 1
    (stage.path / "mail.lck").unlink()
    stage.gone("mail.lck")

    assert stage.contents == [CONTENT]


def test_a_lock_without_a_mail_is_left_to_its_writer(stage: Stage) -> None:
    stage.write("mail.lck")

    stage.rest(timedelta(days=2))

    assert stage.names() == ["mail.lck"]
    assert stage.journal.of(FileLeftAlone) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave it to others")
def test_nobody_can_lock_the_mail_of_somebody_else(stage: Stage) -> None:
    """Names can be guessed: such a lock held mail up, and then had it set aside."""
    alice, mallory = 4711, 4712
    os.chown(stage.write("mail"), alice, alice)
    os.chown(stage.write("mail.lck"), mallory, mallory)

    stage.run()
    stage.rest()

    assert stage.contents == [CONTENT]
    assert stage.names() == ["mail.lck"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave it to others")
def test_root_can_lock_every_mail(stage: Stage) -> None:
    os.chown(stage.write("mail"), 4711, 4711)
    stage.write("mail.lck")

    stage.run()
    stage.rest()

    assert stage.contents == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave it to others")
def test_a_lock_that_a_stranger_takes_away_says_nothing_of_a_mail(stage: Stage) -> None:
    """Or he could have half of it sent, and the rest would be lost."""
    os.chown(stage.write("mail", MAIL[:-5]), 4711, 4711)
    lock = stage.write("mail.lck")
    os.chown(lock, 4712, 4712)
    stage.run()

    lock.unlink()
    stage.gone("mail.lck")

    assert stage.contents == []
    assert stage.names() == ["mail"]


def test_of_many_locks_the_first_are_forgotten_and_their_mail_settles(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop, "_REMEMBERED", 1)
    locks = [stage.write(f"{name}.lck") for name in "ab"]
    for name in "ab":
        stage.write(name)
        stage.closed(name)

    for lock in locks:
        lock.unlink()
        stage.gone(lock.name)
    assert len(stage.contents) == 1

    stage.rest(POLL)
    stage.rest()
    assert len(stage.contents) == 2
