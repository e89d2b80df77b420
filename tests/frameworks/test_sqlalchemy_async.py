# SPDX-License-Identifier: Apache-2.0
"""Mail of SQLAlchemy's asynchronous sessions."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)

from tests.frameworks.alchemy_shop import Order, Thank, orders
from tests.frameworks.post import Post


def test_an_asynchronous_session_sends_what_it_commits(
    post: Post, engine: Any, thank: Thank
) -> None:
    async def work() -> None:
        other = create_async_engine(f"sqlite+aiosqlite:///{engine.url.database}")
        async with AsyncSession(other) as session:
            session.add(Order(id=1))
            thank(session, "one")
            await session.commit()
            thank(session, "dropped")
            await session.rollback()
        scoped = async_scoped_session(async_sessionmaker(other), asyncio.current_task)
        thank(scoped, "two")
        await scoped.commit()
        thank(scoped, "dropped")
        await scoped.remove()
        await other.dispose()

    asyncio.run(work())

    assert orders(engine) == [1]
    assert post.delivered(2) == {"one": 1, "two": 1}
