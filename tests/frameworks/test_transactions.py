# SPDX-License-Identifier: Apache-2.0
"""Mail of the transaction package's transactions, up to the smarthost."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import transaction
from transaction.interfaces import InvalidSavepointRollbackError

from maildropd.api import Door, NotAccepted, Unavailable
from maildropd.integrations import transactions
from tests.frameworks.managers import FIRST, LAST, Other, Refused, refuse
from tests.frameworks.post import SENDER, Post, Send, mail


def test_mail_leaves_at_the_commit_and_not_before(post: Post, send: Send) -> None:
    send("one")
    send("two")
    before = post.files()

    transaction.commit()

    assert before == []
    assert len(post.files()) == 1  # one file, so that all of it leaves or nothing
    assert post.delivered(2) == {"one": 1, "two": 1}


def test_mail_of_an_aborted_transaction_leaves_no_trace(post: Post, send: Send) -> None:
    send("one")

    transaction.abort()
    transaction.commit()

    assert post.files() == []


def test_what_is_sent_is_known_at_the_call(post: Post, send: Send) -> None:
    message = b"Message-ID: <7@shop>\r\n" + mail("one")

    sent = transactions.send(message, SENDER, ["one@example.net"], door=post.door)
    transaction.commit()

    assert sent.message_id == "<7@shop>"
    assert post.delivered(1) == {"one": 1}
    accepted = post.daemon.of("MessageAccepted")[0]
    assert accepted["MAILDROP_MESSAGE_ID"] == "<7@shop>"


@pytest.mark.parametrize("recipients", [[], "", "undisclosed:;", "a@b@c", "x y"])
def test_a_bad_address_is_an_error_of_the_call_and_not_of_the_commit(
    post: Post, send: Send, recipients: Any
) -> None:
    """A commit that fails for an address shows the user of a shop an error page."""
    send("one")

    with pytest.raises(NotAccepted):
        transactions.send(mail("bad"), SENDER, recipients, door=post.door)
    transaction.commit()

    assert post.delivered(1) == {"one": 1}


# --- savepoints --------------------------------------------------------------


def test_a_rolled_back_savepoint_drops_what_was_sent_after_it(
    post: Post, send: Send
) -> None:
    send("before")
    savepoint = transaction.savepoint()
    send("dropped")

    savepoint.rollback()
    send("after")
    transaction.commit()

    assert post.delivered(2) == {"before": 1, "after": 1}


def test_a_savepoint_made_before_the_first_mail_drops_it_too(
    post: Post, send: Send
) -> None:
    savepoint = transaction.savepoint()
    send("dropped")

    savepoint.rollback()
    send("again")
    savepoint.rollback()
    send("after")
    transaction.commit()

    assert post.delivered(1) == {"after": 1}


def test_a_savepoint_can_be_rolled_back_twice_but_not_once_an_earlier_one_was(
    post: Post, send: Send
) -> None:
    send("kept")
    earlier = transaction.savepoint()
    send("dropped")
    later = transaction.savepoint()
    send("gone")
    later.rollback()
    later.rollback()
    earlier.rollback()

    with pytest.raises(InvalidSavepointRollbackError):
        later.rollback()
    transaction.commit()

    assert post.delivered(1) == {"kept": 1}


def test_savepoints_are_invalidated_without_the_transaction_as_well(
    post: Post,
) -> None:
    """MaildropHost 2.3 held its savepoints itself; programs may rely on it."""
    manager = transactions.MailDataManager(post.door)
    earlier, later = manager.savepoint(), manager.savepoint()

    earlier.rollback()

    with pytest.raises(InvalidSavepointRollbackError):
        later.rollback()
    earlier.rollback()


def test_a_savepoint_changes_nothing_on_the_disk(post: Post, send: Send) -> None:
    send("one")
    transaction.savepoint()
    send("two")
    transaction.savepoint(optimistic=True)

    assert post.files() == []


# --- others in the same transaction ------------------------------------------


def test_the_sort_key_is_text_behind_databases_and_before_what_commits_in_the_vote(
    post: Post,
) -> None:
    """Python 3 cannot sort 1 and "a"; zope.sqlalchemy cannot go back any more."""
    key = transactions.MailDataManager(post.door).sortKey()

    assert sorted([key, "~sqlalchemy:140", "zzz", "/var/Data.fs:7"]) == [
        *("/var/Data.fs:7", "zzz", key, "~sqlalchemy:140")
    ]


@pytest.mark.parametrize("step", ["tpc_begin", "commit", "tpc_vote"])
@pytest.mark.parametrize("key", [FIRST, LAST])
def test_no_mail_is_sent_when_another_participant_refuses(
    post: Post, send: Send, key: str, step: str
) -> None:
    send("one")
    transaction.get().join(Other(key, **{step: refuse}))

    with pytest.raises(Refused):
        transaction.commit()
    assert post.files() == []
    transaction.abort()

    assert post.files() == []


def test_no_mail_is_sent_when_a_database_fails_in_the_end(
    post: Post, send: Send
) -> None:
    send("one")
    transaction.get().join(Other(FIRST, tpc_finish=refuse))

    with pytest.raises(Refused):
        transaction.commit()

    assert post.files() == []


def test_mail_that_has_left_stays_sent_when_somebody_behind_fails(
    post: Post, send: Send
) -> None:
    send("one")
    transaction.get().join(Other(LAST, tpc_finish=refuse))

    with pytest.raises(Refused):
        transaction.commit()
    transaction.abort()

    assert post.delivered(1) == {"one": 1}


def test_mail_that_another_participant_sends_while_it_commits_leaves_too(
    post: Post, send: Send
) -> None:
    send("one")
    transaction.get().join(Other(LAST, commit=partial(send, "two")))

    transaction.commit()

    assert post.delivered(2) == {"one": 1, "two": 1}


def test_mail_after_the_vote_is_refused_and_nothing_commits(
    post: Post, send: Send
) -> None:
    """It would have to leave without having been on the disk."""
    send("one")
    transaction.get().join(Other(LAST, tpc_vote=partial(send, "two")))

    with pytest.raises(ValueError, match="committing"):
        transaction.commit()

    assert post.files() == []


@pytest.mark.parametrize("key", [FIRST, "~sqlalchemy:140"])
def test_a_full_disk_stops_the_commit(post: Post, send: Send, key: str) -> None:
    database = Other(key)
    send("one", door=Door(run=post.door.run, drop=post.drop / "missing"))
    transaction.get().join(database)

    with pytest.raises(Unavailable):
        transaction.commit()

    assert "tpc_finish" not in database.steps
    if key != FIRST:  # this one commits when it votes
        assert "tpc_vote" not in database.steps
    assert post.files() == []


def test_mail_for_two_doors_goes_through_both(post: Post, send: Send) -> None:
    other = post.drop.parent / "other"
    other.mkdir()
    send("one")
    send("two", door=Door(drop=other))

    transaction.commit()

    assert len(list(other.iterdir())) == 1
    assert post.delivered(1) == {"one": 1}


# --- the end of a transaction ------------------------------------------------


def test_a_commit_never_raises_once_the_database_has_committed(
    post: Post, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever hears of an error tries again; but the order is in the database."""
    keys = [send(name).key for name in ("one", "two")]
    in_the_way: list[Path] = []

    def block() -> None:
        (hidden,) = post.hidden()
        in_the_way.extend(post.drop / name for name in (hidden.name[1:], *keys))
        for path in in_the_way:
            path.mkdir()

    database = Other(LAST, tpc_vote=block)
    transaction.get().join(database)
    transaction.commit()

    assert "tpc_abort" not in database.steps
    (hidden,) = post.hidden()
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert str(hidden) in record.getMessage()
    for path in in_the_way:
        path.rmdir()
    hidden.rename(in_the_way[0])
    assert post.delivered(2) == {"one": 1, "two": 1}


def test_mail_that_cannot_be_released_goes_in_by_the_socket_and_only_once(
    post: Post, send: Send
) -> None:
    away = post.drop.with_name("away")
    post.daemon.start()
    send("one")
    send("two")
    transaction.get().join(Other(LAST, tpc_vote=lambda: post.drop.rename(away)))

    transaction.commit()
    post.daemon.wait_for("MessageDone", 2)
    post.daemon.stop()
    (hidden,) = away.iterdir()
    hidden.rename(away / "by-hand")
    away.rename(post.drop)
    post.daemon.put("last", b"##To:last@example.net\n" + mail("last"))

    assert post.delivered(3) == {"one": 1, "two": 1, "last": 1}


def test_ending_it_again_changes_nothing(post: Post) -> None:
    manager = transactions.MailDataManager(post.door)
    for end in (manager.abort, manager.tpc_abort, manager.tpc_finish, manager.abort):
        end(None)

    assert post.files() == []


def test_hooks_after_the_commit_do_no_harm(
    post: Post, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    """The transaction package aborts all participants when there are such hooks."""
    called: list[bool] = []
    send("one")
    transaction.get().addAfterCommitHook(called.append)

    transaction.commit()

    assert called == [True]
    assert caplog.records == []
    assert post.delivered(1) == {"one": 1}


def test_a_hook_before_the_commit_may_send(post: Post, send: Send) -> None:
    transaction.get().addBeforeCommitHook(send, ("one",))

    transaction.commit()

    assert post.delivered(1) == {"one": 1}


def test_a_hook_after_the_commit_hears_that_it_is_too_late(
    post: Post, send: Send
) -> None:
    heard: list[str] = []

    def hook(_committed: bool) -> None:  # noqa: FBT001 - so it is called
        with pytest.raises(ValueError, match="submit") as caught:
            send("two")
        heard.append(str(caught.value))

    send("one")
    transaction.get().addAfterCommitHook(hook)
    transaction.commit()

    assert len(heard) == 1
    assert post.delivered(1) == {"one": 1}
