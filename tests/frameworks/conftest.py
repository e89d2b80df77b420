# SPDX-License-Identifier: Apache-2.0
"""What the tests of all frameworks share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transaction
from django.db import connections
from django.test import override_settings

from maildropd.integrations import transactions
from maildropd.integrations.sqlalchemy import mail_session
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks import alchemy_shop, django_shop
from tests.frameworks.post import SENDER, Post, Send, mail
from tests.integration.daemon import DaemonProcess


@pytest.fixture
def post(daemon: DaemonProcess, server: SmtpServer) -> Post:
    """Lend a drop with a daemon that has not been started."""
    return Post(daemon, server)


@pytest.fixture
def send(post: Post) -> Iterator[Send]:
    """Send a mail with a subject in the transaction of this thread."""

    def one(subject: str, **options: Any) -> Any:
        options = {"door": post.door} | options
        to = [f"{subject}@example.net"]
        return transactions.send(mail(subject), SENDER, to, **options)

    transaction.abort()
    yield one
    transaction.abort()


@pytest.fixture(scope="session")
def django_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set Django up, which can be done once in a process."""
    path = tmp_path_factory.mktemp("django") / "db.sqlite3"
    django_shop.open_shop(path)
    return path


@pytest.fixture
def shop(django_database: Path, post: Post) -> Iterator[Path]:
    """An empty shop, whose mail goes into the drop of this test."""
    django_shop.stock()
    door = {"run": post.door.run, "drop": post.door.drop}
    with override_settings(MAILDROPD_DOOR=door):
        yield django_database
    connections.close_all()
    django_database.unlink()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    """An empty shop of SQLAlchemy, with one item."""
    engine = alchemy_shop.engine_of(tmp_path / "shop.sqlite3")
    alchemy_shop.open_shop(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def thank(post: Post) -> alchemy_shop.Thank:
    """Send a mail with a subject in a session."""

    def one(session: Any, subject: str) -> Any:
        to = [f"{subject}@example.net"]
        return mail_session(session, post.door).send(mail(subject), SENDER, to)

    return one
