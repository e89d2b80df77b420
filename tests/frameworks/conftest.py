# SPDX-License-Identifier: Apache-2.0
"""What the tests of all frameworks share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.test import override_settings

from tests.fakes.smtp_server import SmtpServer
from tests.frameworks import django_shop
from tests.frameworks.post import Post
from tests.integration.daemon import DaemonProcess


@pytest.fixture
def post(daemon: DaemonProcess, server: SmtpServer) -> Post:
    """Lend a drop with a daemon that has not been started."""
    return Post(daemon, server)


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
