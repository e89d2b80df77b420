# SPDX-License-Identifier: Apache-2.0
"""A small shop in Django, set up with its defaults and an SQLite file."""

from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.mail import send_mail
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

SENDER = "shop@example.org"
# The item of an order must be there, but not before the commit.
TABLES = """
CREATE TABLE item (id INTEGER PRIMARY KEY);
CREATE TABLE customer_order (
    id INTEGER PRIMARY KEY,
    item INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO item VALUES (1);
"""


def open_shop(database: Path, **more: Any) -> None:
    """Configure Django, once in a process."""
    sqlite = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": database,
        "ATOMIC_REQUESTS": True,
    }
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": sqlite, "other": {**sqlite, "NAME": f"{database}.2"}},
        EMAIL_BACKEND="maildropd.integrations.django.EmailBackend",
        DEFAULT_FROM_EMAIL=SENDER,
        ROOT_URLCONF="tests.frameworks.django_shop",
        SECRET_KEY="for tests",
        **more,
    )
    django.setup()


def stock() -> None:
    """Make the tables."""
    with connection.cursor() as cursor:
        for statement in TABLES.split(";"):
            cursor.execute(statement)


def order(number: int, item: int = 1) -> None:
    """Take an order down, in the transaction that is open."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO customer_order VALUES (%s, %s)", [number, item])


def orders() -> list[int]:
    """Return the orders that were committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM customer_order")
        return [row[0] for row in cursor.fetchall()]


def thank(name: str) -> int:
    """Send a mail to somebody, whose subject is the name."""
    sent: int = send_mail(name, "Thank you.\n", None, [f"{name}@example.net"])
    return sent


def buy(request: HttpRequest, number: int) -> HttpResponse:
    """Answer a request, or fail behind the mail."""
    order(number)
    thank(f"n{number}")
    if request.GET.get("fail"):
        raise RuntimeError("out of stock")
    return HttpResponse("thank you")


urlpatterns = [path("buy/<int:number>", buy)]
