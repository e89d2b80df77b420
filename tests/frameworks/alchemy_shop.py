# SPDX-License-Identifier: Apache-2.0
"""A small shop in SQLAlchemy: tables, and an SQLite that minds what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

Thank = Callable[[Any, str], Any]  # send a mail with this subject in a session


class Base(DeclarativeBase):
    """Of the tables below."""


class Item(Base):
    """Must be there when an order commits, but not before."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)


class Order(Base):
    """What somebody has ordered."""

    __tablename__ = "customer_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int] = mapped_column(
        ForeignKey("item.id", deferrable=True, initially="DEFERRED"), default=1
    )


def engine_of(path: Path) -> Any:
    """Return an engine whose SQLite minds foreign keys and savepoints."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = on")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def open_shop(engine: Any) -> None:
    """Make the tables, and one item."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Item(id=1))


def orders(engine: Any) -> list[int]:
    with Session(engine) as session:
        return list(session.scalars(select(Order.id)))
