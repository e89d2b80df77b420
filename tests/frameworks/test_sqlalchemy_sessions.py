# SPDX-License-Identifier: Apache-2.0
"""Mail of all kinds of SQLAlchemy sessions: scoped, without autobegin, two-phase."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from maildropd.integrations.sqlalchemy import mail_session
from tests.frameworks.alchemy_shop import Order, Thank
from tests.frameworks.post import Post


def test_a_scoped_session_sends_in_the_session_of_its_thread(
    post: Post, engine: Any, thank: Thank
) -> None:
    scoped = scoped_session(sessionmaker(engine))
    thank(scoped, "one")
    assert mail_session(scoped) is mail_session(scoped())
    scoped.commit()
    thank(scoped, "two")
    scoped.remove()

    assert post.delivered(1) == {"one": 1}


def test_a_session_without_autobegin_needs_a_transaction_to_send_in(
    post: Post, engine: Any, thank: Thank
) -> None:
    with Session(engine, autobegin=False) as session:
        with pytest.raises(InvalidRequestError):
            thank(session, "nobody's")
        with session.begin():
            thank(session, "one")

    assert post.delivered(1) == {"one": 1}


def test_mail_of_a_two_phase_session_is_staged_before_its_databases_prepare(
    post: Post, engine: Any, thank: Thank
) -> None:
    """After a prepare nothing may fail any more."""
    found: list[int] = []
    two_phase(engine, lambda: found.append(len(post.hidden())))
    with Session(engine, twophase=True) as session:
        session.add(Order(id=1))
        thank(session, "one")
        thank(session, "two")
        session.prepare()
        assert post.hidden() == post.files()
        session.commit()

    assert found == [1]
    assert post.delivered(2) == {"one": 1, "two": 1}


def test_no_mail_is_sent_when_a_database_cannot_prepare(
    post: Post, engine: Any, thank: Thank
) -> None:
    two_phase(engine, lambda: 1 // 0)
    with Session(engine, twophase=True) as session:
        session.add(Order(id=1))
        thank(session, "one")
        with pytest.raises(ZeroDivisionError):
            session.commit()

    assert post.files() == []


def two_phase(engine: Any, prepare: Callable[[], object]) -> None:
    """Let SQLite do as if it could: as far as a session can tell."""
    dialect = engine.dialect
    dialect.do_begin_twophase = lambda *_: None
    dialect.do_prepare_twophase = lambda *_: prepare()
    dialect.do_commit_twophase = lambda c, *_, **__: dialect.do_commit(c.connection)
    dialect.do_rollback_twophase = lambda c, *_, **__: dialect.do_rollback(c.connection)


def test_a_session_that_is_dropped_leaves_nothing(
    post: Post, engine: Any, thank: Thank
) -> None:
    session = Session(engine)
    thank(session, "one")
    session.add(Order(id=1, item=99))
    with pytest.raises(IntegrityError):
        session.commit()
    assert len(post.hidden()) == 1

    session.get_bind()
    del session
    gc.collect()

    assert post.files() == []
