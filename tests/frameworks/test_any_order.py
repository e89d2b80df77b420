# SPDX-License-Identifier: Apache-2.0
"""Mail leaves if, and only if, what it tells about is in the database.

Each mail goes with a row; transactions, nested ones and errors come in any order.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import transaction as transactions
import ZODB
from django.db import IntegrityError as DjangoRefused
from django.db import transaction
from django.db.transaction import TransactionManagementError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from ZODB.FileStorage import FileStorage

from tests.frameworks import alchemy_shop, django_shop
from tests.frameworks.alchemy_shop import Item, Order, Thank
from tests.frameworks.post import Post, Send

SEEDS = range(20)
STEPS = 60


def names(numbers: list[int]) -> dict[str, int]:
    """Return what is to leave: one mail for each row."""
    return {f"n{number}": 1 for number in numbers}


class AnySession:
    """A session that does one thing after another."""

    def __init__(self, session: Session, thank: Thank, chance: random.Random) -> None:
        self._session = session
        self._thank = thank
        self._chance = chance
        self._number = 0

    def step(self) -> None:
        acts = [self.order] * 4 + [self.nest] * 2 + [self.inner_commit] * 2
        acts += [self.inner_rollback, self.refused_flush, self.flush]
        acts += [self.commit, self.outermost_commit, self.rollback, self.close]
        self._chance.choice(acts)()

    def order(self) -> None:
        self._number += 1
        item = 99 if self._chance.random() < 0.05 else 1  # refused by the commit
        self._session.add(Order(id=self._number, item=item))
        self._thank(self._session, f"n{self._number}")

    def nest(self) -> None:
        self._session.begin_nested()

    def inner_commit(self) -> None:
        if inner := self._session.get_nested_transaction():
            inner.commit()

    def inner_rollback(self) -> None:
        if inner := self._session.get_nested_transaction():
            inner.rollback()

    def flush(self) -> None:
        self._session.flush()

    def refused_flush(self) -> None:
        self._session.add(Item(id=1))
        with pytest.raises(IntegrityError):
            self._session.flush()
        (self._session.get_nested_transaction() or self._session).rollback()

    def commit(self) -> None:
        self._end(self._session.commit)

    def outermost_commit(self) -> None:
        if outermost := self._session.get_transaction():
            self._end(outermost.commit)

    def rollback(self) -> None:
        self._session.rollback()

    def close(self) -> None:
        self._session.close()

    def _end(self, commit: Callable[[], None]) -> None:
        try:
            commit()
        except IntegrityError:
            self._session.rollback()


@pytest.mark.parametrize("seed", SEEDS)
def test_mail_of_a_session_leaves_with_its_row_or_not_at_all(
    post: Post, engine: Any, thank: Thank, seed: int
) -> None:
    with Session(engine) as session:
        program = AnySession(session, thank, random.Random(seed))
        for _ in range(STEPS):
            program.step()
            if not session.in_transaction():
                assert post.leaving() == names(alchemy_shop.orders(engine))
                assert post.hidden() == []


class RolledBack(Exception):
    """Ends a block."""


class AnyBlocks:
    """Blocks in Django, within each other."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0

    def block(self, depth: int = 0) -> None:
        savepoint = self._chance.random() < 0.7
        broken = (RolledBack, TransactionManagementError, DjangoRefused)
        with suppress(*broken), transaction.atomic(savepoint=savepoint):
            for _ in range(self._chance.randrange(6)):
                if depth < 4 and self._chance.random() < 0.4:
                    self.block(depth + 1)
                else:
                    self.order()
            if self._chance.random() < 0.3:
                raise RolledBack

    def order(self) -> None:
        self._number += 1
        item = 99 if self._chance.random() < 0.02 else 1  # refused by the commit
        django_shop.order(self._number, item)
        django_shop.thank(f"n{self._number}")


@pytest.mark.parametrize("seed", SEEDS)
def test_mail_of_a_block_leaves_with_its_row_or_not_at_all(
    post: Post, shop: object, seed: int
) -> None:
    program = AnyBlocks(random.Random(seed))
    for _ in range(STEPS // 6):
        program.block()
        assert post.leaving() == names(django_shop.orders())
        assert post.hidden() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_mail_of_a_transaction_leaves_with_its_object_or_not_at_all(
    post: Post, send: Send, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    database = ZODB.DB(FileStorage(str(tmp_path / "Data.fs")))
    root = database.open().root()
    savepoints: list[Any] = []
    for number in range(STEPS):
        act = chance.choice(["send"] * 4 + ["save"] * 2 + ["back"] * 2 + ["end"])
        match act:
            case "send":
                root[f"n{number}"] = 1
                send(f"n{number}")
            case "save":
                savepoints.append(transactions.savepoint())
            case "back" if savepoints:
                place = chance.randrange(len(savepoints))
                savepoints[place].rollback()
                del savepoints[place + 1 :]
            case "end":
                chance.choice([transactions.commit, transactions.abort])()
                savepoints.clear()
                assert post.leaving() == dict(root)
                assert post.hidden() == []
            case _:
                pass
    transactions.abort()
    database.close()
