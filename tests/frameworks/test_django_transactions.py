# SPDX-License-Identifier: Apache-2.0
"""Mail of Django's transactions: committed, rolled back, killed."""

import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import (
    EmailMessage,
    get_connection,
    mail_admins,
    send_mass_mail,
)
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings

from tests.frameworks.django_shop import SENDER, order, orders, thank
from tests.frameworks.post import Post
from tests.integration.daemon import HOME

pytestmark = pytest.mark.usefixtures("shop")


@contextmanager
def rolled_back(**options: Any) -> Iterator[None]:
    """A block that ends with an error."""
    with suppress(RolledBack), transaction.atomic(**options):
        yield
        raise RolledBack


class RolledBack(Exception):
    """What ends a block."""


# --- transactions ------------------------------------------------------------


def test_mail_of_a_block_leaves_when_it_commits_and_not_before(post: Post) -> None:
    with transaction.atomic():
        order(1)
        assert thank("one") == 1
        within = post.hidden()
        assert within == post.files()

    assert len(within) == 1  # it is on the disk: the commit can rely on it
    assert post.hidden() == []
    assert post.delivered(1) == {"one": 1}


@pytest.mark.parametrize("durable", [False, True])
def test_mail_of_a_block_that_is_rolled_back_leaves_no_trace(
    post: Post, *, durable: bool
) -> None:
    with rolled_back(durable=durable):
        order(1)
        thank("one")

    assert orders() == []
    assert post.files() == []


def test_a_connection_that_is_kept_keeps_no_file(post: Post) -> None:
    kept = get_connection()
    with rolled_back():
        message = EmailMessage("one", "text", to=["a@example.net"], connection=kept)
        message.send()

    assert post.files() == []


def test_an_inner_block_that_is_rolled_back_takes_its_mail_with_it(post: Post) -> None:
    with transaction.atomic():
        thank("before")
        with rolled_back():
            thank("dropped")
            with transaction.atomic():
                thank("dropped-too")
        assert len(post.files()) == 1
        with transaction.atomic():
            thank("inner")
        thank("after")

    assert post.delivered(3) == {"before": 1, "inner": 1, "after": 1}


def test_no_mail_is_sent_when_the_commit_itself_fails(post: Post) -> None:
    @transaction.atomic
    def ordered() -> None:
        order(1, item=99)
        thank("one")

    with pytest.raises(IntegrityError):
        ordered()

    assert orders() == []
    assert post.files() == []


def test_no_mail_is_sent_when_the_connection_breaks(post: Post) -> None:
    with rolled_back():
        thank("one")
        connection.close()

    assert post.files() == []


def test_mail_of_a_block_that_was_tried_three_times_is_sent_once(post: Post) -> None:
    for number in range(3):
        try:
            with transaction.atomic():
                order(1, item=1 if number == 2 else 99)
                thank("one")
        except IntegrityError:
            continue

    assert orders() == [1]
    assert post.delivered(1) == {"one": 1}


def test_the_mails_of_one_call_leave_together(post: Post) -> None:
    with transaction.atomic():
        mails = [(n, "text", SENDER, [f"{n}@example.net"]) for n in ("one", "two")]
        assert send_mass_mail(mails) == 2
        assert len(post.files()) == 1

    assert len(post.files()) == 1
    assert post.delivered(2) == {"one": 1, "two": 1}


def test_a_request_that_fails_sends_nothing_and_one_that_works_does(
    post: Post,
) -> None:
    client = Client(raise_request_exception=False)

    assert client.get("/buy/1?fail=1").status_code == 500
    assert client.get("/buy/2").status_code == 200

    assert orders() == [2]
    assert post.delivered(1) == {"n2": 1}


def test_mail_that_is_not_to_wait_leaves_although_all_is_rolled_back(
    post: Post,
) -> None:
    with rolled_back():
        now = get_connection(using=None)
        EmailMessage("one", "text", to=["a@example.net"], connection=now).send()

    assert post.delivered(1) == {"one": 1}


def test_mail_waits_for_the_database_that_the_setting_names(post: Post) -> None:
    with transaction.atomic(), override_settings(MAILDROPD_USING="other"):
        thank("at-once")
        assert post.hidden() == []
        with rolled_back(using="other"):
            thank("dropped")
        with transaction.atomic(using="other"):
            thank("waits")
            assert len(post.hidden()) == 1
        assert post.hidden() == []

    assert post.delivered(2) == {"at-once": 1, "waits": 1}


def test_mail_with_autocommit_switched_off_leaves_at_once(post: Post) -> None:
    transaction.set_autocommit(False)
    try:
        thank("one")
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)

    assert post.delivered(1) == {"one": 1}


def test_a_request_is_answered_although_its_mail_cannot_be_released(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """The order is in the database: an error page would make people order again."""
    away = post.drop.with_name("away")

    with transaction.atomic():
        order(1)
        transaction.on_commit(lambda: os.rename(post.drop, away))
        thank("one")
    away.rename(post.drop)

    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    (hidden,) = post.hidden()
    assert str(hidden) in record.getMessage()


@pytest.mark.parametrize("robust", [True, False])
def test_a_hook_that_raises_takes_later_mail_with_it_unless_it_is_robust(
    post: Post, *, robust: bool
) -> None:
    def fail() -> None:
        raise RolledBack

    with suppress(RolledBack), transaction.atomic():
        order(1)
        transaction.on_commit(fail, robust=robust)
        thank("one")
    gc.collect()

    assert orders() == [1]
    assert post.hidden() == []
    assert post.delivered(int(robust)) == ({"one": 1} if robust else {})


def test_mail_of_a_block_that_stays_open_for_too_long_is_sent_once(post: Post) -> None:
    """The daemon takes its file for what a dead program has left."""
    post.daemon.configure("[spool drop]\nlock_expiry = 1s\npoll_interval = 1s\n")
    post.daemon.start()

    with transaction.atomic():
        thank("one")
        post.daemon.wait_for("MessageQuarantined")

    post.daemon.wait_for("MessageDone")
    post.daemon.stop()
    assert post.subjects() == {"one": 1}


def test_an_error_mail_is_sent_by_the_handler_that_hides_every_failure(
    post: Post,
) -> None:
    with override_settings(ADMINS=[("A", "admin@example.org")]):
        mail_admins("one", "text")

    assert sum(post.delivered(1).values()) == 1


def test_a_block_that_is_never_ended_keeps_its_file_no_longer_than_itself(
    post: Post,
) -> None:
    with rolled_back():
        thank("one")
        kept = connection.run_on_commit[:]
    assert len(post.hidden()) == 1

    del kept
    gc.collect()

    assert post.files() == []


# --- kills -------------------------------------------------------------------

PROGRAM = """
import os, signal, sys
from functools import partial
from django.db import transaction
from tests.frameworks import django_shop as shop

database, run, drop, step = sys.argv[1:]
shop.open_shop(database, MAILDROPD_DOOR={"run": run, "drop": drop})

def kill(at):
    if at == step:
        os.kill(os.getpid(), signal.SIGKILL)

with transaction.atomic():
    shop.order(1)
    kill("before mail")
    transaction.on_commit(partial(kill, "committed"))
    shop.thank("one")
    kill("before commit")
    transaction.on_commit(partial(kill, "released"))
"""


@pytest.mark.parametrize(
    ("step", "ordered", "hidden", "sent"),
    [
        ("before mail", [], 0, {}),
        ("before commit", [], 1, {}),
        ("committed", [1], 1, {}),
        ("released", [1], 0, {"one": 1}),
    ],
)
def test_a_program_that_is_killed_sends_all_of_a_call_or_nothing(
    post: Post, step: str, ordered: list[int], hidden: int, sent: dict[str, int]
) -> None:
    database = settings.DATABASES["default"]["NAME"]

    ran = subprocess.run(
        [*(sys.executable, "-c", PROGRAM), database, post.door.run, post.drop, step],
        cwd=HOME,
        check=False,
    )

    assert ran.returncode == -signal.SIGKILL
    assert orders() == ordered
    assert len(post.hidden()) == hidden
    assert post.delivered(len(sent)) == sent


def test_a_program_that_ends_within_a_block_sends_nothing(post: Post) -> None:
    database = settings.DATABASES["default"]["NAME"]
    program = PROGRAM + "\n    sys.exit(3)\n"

    ran = subprocess.run(
        [*(sys.executable, "-c", program), database, post.door.run, post.drop, ""],
        cwd=HOME,
        check=False,
    )

    assert ran.returncode == 3
    assert post.files() == []
