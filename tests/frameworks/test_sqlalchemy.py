# SPDX-License-Identifier: Apache-2.0
"""Mail of SQLAlchemy sessions, up to the smarthost."""

import logging
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session

from maildropd.api import Door, NotAccepted, Unavailable
from maildropd.integrations.sqlalchemy import mail_session
from tests.frameworks.alchemy_shop import Item, Order, Thank, orders
from tests.frameworks.post import SENDER, Post, mail
from tests.integration.daemon import HOME


def staged(post: Post, engine: Any) -> list[int]:
    """Note how many mails are on the disk whenever the database commits."""
    counts: list[int] = []

    def committing(_connection: Any) -> None:
        counts.append(sum(f.read_bytes().count(b"#!sendmail") for f in post.hidden()))

    event.listen(engine, "commit", committing)
    return counts


def test_mail_leaves_at_the_commit_and_not_before(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session, session.begin():
        session.add(Order(id=1))
        thank(session, "one")
        thank(session, "two")
        session.flush()
        assert post.files() == []

    assert len(post.files()) == 1
    assert post.delivered(2) == {"one": 1, "two": 1}


@pytest.mark.parametrize("end", ["rollback", "close", "reset", "invalidate"])
def test_mail_of_a_session_that_does_not_commit_leaves_no_trace(
    post: Post, engine: Any, thank: Thank, end: str
) -> None:
    with Session(engine) as session:
        session.add(Order(id=1))
        thank(session, "one")
        getattr(session, end)()
        session.add(Order(id=2))
        session.commit()

    assert orders(engine) == [2]
    assert post.files() == []


def test_a_session_sends_the_mail_of_each_transaction_once(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session:
        for number in (1, 2, 3):
            session.add(Order(id=number))
            thank(session, f"n{number}")
            (session.rollback if number == 2 else session.commit)()

    assert orders(engine) == [1, 3]
    assert post.delivered(2) == {"n1": 1, "n3": 1}


def test_mail_without_a_statement_leaves_at_the_commit_too(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session:
        thank(session, "one")
        assert session.in_transaction()
        session.commit()

    assert post.delivered(1) == {"one": 1}


def test_a_bad_address_is_an_error_of_the_call_and_not_of_the_commit(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session, session.begin():
        thank(session, "one")
        with pytest.raises(NotAccepted):
            mail_session(session).send(mail("bad"), SENDER, ["a@b@c"])

    assert post.delivered(1) == {"one": 1}


def test_a_full_disk_stops_the_commit(post: Post, engine: Any) -> None:
    session = Session(engine)
    session.add(Order(id=1))
    nowhere = Door(run=post.door.run, drop=post.drop / "missing")
    mail_session(session, nowhere).send(mail("one"), SENDER, ["a@example.net"])

    with pytest.raises(Unavailable):
        session.commit()
    session.close()

    assert orders(engine) == []


# --- the database says no ----------------------------------------------------


def test_no_mail_is_sent_when_the_flush_fails(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session:
        thank(session, "one")
        session.add_all([Order(id=1), Item(id=1)])
        with pytest.raises(IntegrityError):
            session.commit()
        with pytest.raises(InvalidRequestError):
            thank(session, "too-late")
        session.rollback()
        session.commit()

    assert post.files() == []


def test_no_mail_is_sent_when_the_commit_itself_fails(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session:
        thank(session, "one")
        session.add(Order(id=1, item=99))
        with pytest.raises(IntegrityError):
            session.commit()
        assert len(post.hidden()) == 1  # it was on the disk before

        session.rollback()

    assert post.files() == []


def test_mail_of_a_session_that_was_tried_three_times_is_sent_once(
    post: Post, engine: Any, thank: Thank
) -> None:
    for item in (99, 98, 1):
        with Session(engine) as session:
            session.add(Order(id=1, item=item))
            thank(session, "one")
            try:
                session.commit()
            except IntegrityError:
                session.rollback()

    assert orders(engine) == [1]
    assert post.delivered(1) == {"one": 1}


# --- nested transactions -----------------------------------------------------


def test_a_nested_transaction_that_is_rolled_back_takes_its_mail_with_it(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine) as session, session.begin():
        thank(session, "before")
        outer = session.begin_nested()
        thank(session, "dropped")
        with session.begin_nested():
            thank(session, "dropped-too")
        outer.rollback()
        with session.begin_nested():
            with session.begin_nested():
                thank(session, "inner")
            thank(session, "middle")
            assert post.files() == []
        thank(session, "after")

    assert post.delivered(4) == {"before": 1, "inner": 1, "middle": 1, "after": 1}


def test_a_nested_transaction_whose_flush_fails_takes_its_mail_with_it(
    post: Post, engine: Any, thank: Thank
) -> None:
    def nested(session: Session) -> None:
        with session.begin_nested():
            thank(session, "dropped")
            session.add(Item(id=1))

    with Session(engine) as session, session.begin():
        thank(session, "one")
        with pytest.raises(IntegrityError):
            nested(session)

    assert post.delivered(1) == {"one": 1}


@pytest.mark.parametrize("through", ["session", "transaction"])
def test_mail_of_a_nested_transaction_that_the_commit_ends_leaves_too(
    post: Post, engine: Any, thank: Thank, through: str
) -> None:
    found = staged(post, engine)
    with Session(engine) as session:
        outermost = session.begin()
        session.add(Order(id=1))
        thank(session, "one")
        session.begin_nested()
        thank(session, "two")
        (session if through == "session" else outermost).commit()

    assert found == [2]
    assert len(post.files()) == 1
    assert post.delivered(2) == {"one": 1, "two": 1}


# --- events ------------------------------------------------------------------


def test_mail_that_the_flush_of_the_commit_sends_leaves_too(
    post: Post, engine: Any, thank: Thank
) -> None:
    def inserted(_mapper: Any, _connection: Any, order: Order) -> None:
        thank(Session.object_session(order), f"n{order.id}")

    def committing(session: Session) -> None:
        session.add(Order(id=2))

    found = staged(post, engine)
    with Session(engine) as session:
        event.listen(Order, "after_insert", inserted)
        thank(session, "one")
        # Heard after our own: what this adds is flushed when ours is staged.
        event.listen(session, "before_commit", committing)
        session.add(Order(id=1))
        try:
            session.commit()
        finally:
            event.remove(Order, "after_insert", inserted)

    assert found == [3]
    assert len(post.files()) == 1
    assert post.delivered(3) == {"one": 1, "n1": 1, "n2": 1}


@pytest.mark.parametrize("known", [True, False])
def test_mail_that_only_the_flush_of_the_commit_sends_leaves_too(
    post: Post, engine: Any, thank: Thank, *, known: bool
) -> None:
    """Even if nobody has asked for the mail of this session before."""

    def inserted(_mapper: Any, _connection: Any, order: Order) -> None:
        thank(Session.object_session(order), f"n{order.id}")

    found = staged(post, engine)
    with Session(engine) as session:
        if known:
            mail_session(session, post.door)
        event.listen(Order, "after_insert", inserted)
        event.listen(session, "before_commit", lambda s: s.add(Order(id=1)))
        try:
            session.commit()
        finally:
            event.remove(Order, "after_insert", inserted)

    assert found == [1 if known else 0]
    assert post.delivered(1) == {"n1": 1}


def test_mail_after_the_commit_is_refused(
    post: Post, engine: Any, thank: Thank
) -> None:
    heard: list[str] = []

    def committed(session: Session) -> None:
        with pytest.raises(InvalidRequestError) as caught:
            thank(session, "two")
        heard.append(str(caught.value))

    with Session(engine) as session:
        thank(session, "one")
        event.listen(session, "after_commit", committed)
        session.commit()

    assert len(heard) == 1
    assert post.delivered(1) == {"one": 1}


def test_a_commit_never_raises_once_the_database_has_committed(
    post: Post, engine: Any, thank: Thank, caplog: pytest.LogCaptureFixture
) -> None:
    away = post.drop.with_name("away")

    with Session(engine) as session:
        mail_session(session, post.door)
        event.listen(session, "after_flush", lambda *_: os.rename(post.drop, away))
        thank(session, "one")
        event.listen(session, "before_commit", lambda s: s.add(Order(id=1)))
        session.commit()
    away.rename(post.drop)

    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    (hidden,) = post.hidden()
    assert str(hidden) in record.getMessage()
    assert orders(engine) == [1]


# --- kills -------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.orm import Session
from maildropd.integrations.sqlalchemy import mail_session
from tests.frameworks.alchemy_shop import Order, engine_of
from tests.frameworks.post import mail

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

database, step = sys.argv[1:]
session = Session(engine_of(Path(database)))
if step == "committed":
    event.listen(session, "after_commit", kill)
for name in ("one", "two"):
    mail_session(session).send(mail(name), "shop@example.org", [name + "@example.net"])
if step == "staged":
    event.listen(session, "before_commit", kill)
if step == "released":
    event.listen(session, "after_commit", kill)
session.add(Order(id=1))
if step == "sent":
    kill()
session.commit()
"""


@pytest.mark.parametrize(
    ("step", "ordered", "expected"),
    [
        ("sent", [], "no trace"),
        ("staged", [], "hidden"),
        ("committed", [1], "hidden"),
        ("released", [1], "sent"),
    ],
)
def test_a_program_that_is_killed_leaves_all_of_its_mail_or_none(
    post: Post, engine: Any, step: str, ordered: list[int], expected: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, engine.url.database, step],
        cwd=HOME,
        env={**os.environ, **post.environment},
        check=False,
    )

    assert ran.returncode == -signal.SIGKILL
    assert orders(engine) == ordered
    assert len(post.hidden()) == (1 if expected == "hidden" else 0)
    sent = {"one": 1, "two": 1} if expected == "sent" else {}
    assert post.delivered(len(sent)) == sent
