# SPDX-License-Identifier: Apache-2.0
"""What docs/FRAMEWORKS.md shows can be copied, and does what it says."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import transaction
from django.conf import settings
from sqlalchemy.orm import Session

from maildropd.integrations.transactions import send
from tests.frameworks.alchemy_shop import Order, engine_of, open_shop, orders
from tests.frameworks.post import Post, mail
from tests.integration.daemon import HOME

PAGE = (HOME / "docs" / "FRAMEWORKS.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MESSAGE = b"To: bob@example.net\r\nFrom: shop@example.org\r\n" + mail("one")


@pytest.fixture(autouse=True)
def _environment(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in post.environment.items():
        monkeypatch.setenv(name, value)


def run(start: str, **names: Any) -> dict[str, Any]:
    """Run the example that has this in it."""
    (found,) = (each for each in EXAMPLES if start in each)
    exec(found, names)
    return names


def test_all_examples_are_run_here() -> None:
    """One more example needs one more test."""
    assert len(EXAMPLES) == 5


def test_the_example_of_the_transaction_package_sends(post: Post) -> None:
    run("with transaction.manager:", order={})

    assert post.delivered(1) == {"Thank you": 1}


def test_the_example_of_a_view_of_pyramid_sends(post: Post) -> None:
    view = run("def view(request)", send=send, message=MESSAGE)["view"]

    with transaction.TransactionManager(explicit=True) as begun:
        view(SimpleNamespace(tm=begun._manager))

    assert post.delivered(1) == {"one": 1}


def test_the_example_of_djangos_settings_is_what_the_tests_use(shop: object) -> None:
    assert run("EMAIL_BACKEND")["EMAIL_BACKEND"] == settings.EMAIL_BACKEND


def test_the_example_of_django_sends(post: Post, shop: object) -> None:
    run("get_connection(using=None)")

    assert post.delivered(1) == {"Login failed": 1}


def test_the_example_of_sqlalchemy_sends(post: Post) -> None:
    engine = engine_of(post.daemon.folder / "shop.sqlite3")
    open_shop(engine)

    run("mail_session", engine=engine, Session=Session, Order=Order, message=MESSAGE)

    assert orders(engine) == [7]
    engine.dispose()
    assert post.delivered(1) == {"one": 1}
