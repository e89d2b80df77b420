# SPDX-License-Identifier: Apache-2.0
"""Django's mail, in and out of transactions, up to the smarthost."""

from email import message_from_bytes, policy

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.mail import (
    EmailMessage,
    EmailMultiAlternatives,
    get_connection,
    send_mail,
    send_mass_mail,
)
from django.db import transaction
from django.test import override_settings

from maildropd.api import NotAccepted, Unavailable
from tests.frameworks.django_shop import SENDER, thank
from tests.frameworks.post import Post

pytestmark = pytest.mark.usefixtures("shop")


# --- without a transaction ---------------------------------------------------


def test_mail_outside_a_transaction_is_in_the_queue_when_send_returns(
    post: Post,
) -> None:
    post.daemon.start()

    assert thank("one") == 1

    assert len(post.daemon.wait_for("MessageAccepted")) == 1
    assert post.files() == []
    post.daemon.stop()
    assert post.delivered(1) == {"one": 1}


def test_mail_is_safe_although_the_daemon_is_down(post: Post) -> None:
    assert thank("one") == 1

    assert post.delivered(1) == {"one": 1}


def test_everything_that_django_can_write_arrives(post: Post) -> None:
    message = EmailMultiAlternatives(
        "Gr\u00fc\u00dfe",
        "From here on: text with \u00fcmlauts\n",
        '"M\u00fcller, K\u00e4the" <shop@b\u00fccher.example>',
        ["\u00c4nne <to@b\u00fccher.example>"],
        cc=["cc@example.net"],
        bcc=["bcc@example.net"],
        reply_to=["reply@example.org"],
        headers={"X-Order": "7"},
    )
    message.attach_alternative("<p>\u00fc</p>", "text/html")
    message.attach("r\u00e9sum\u00e9.pdf", b"\x00\xff\r\n", "application/pdf")

    assert message.send() == 1

    post.delivered(1)
    (taken,) = post.server.delivered
    assert "<shop@xn--bcher-kva.example>" in taken.mail.decode()
    assert set(taken.recipients) == {
        "to@xn--bcher-kva.example",
        "cc@example.net",
        "bcc@example.net",
    }
    read = message_from_bytes(taken.content, policy=policy.default)
    assert read["Subject"] == "Gr\u00fc\u00dfe"
    assert read["X-Order"] == "7"
    assert read["Bcc"] is None
    assert b"\nFrom here on" in taken.content
    (attached,) = read.iter_attachments()
    assert attached.get_filename() == "r\u00e9sum\u00e9.pdf"
    assert attached.get_content() == b"\x00\xff\r\n"


def test_mail_to_nobody_is_not_sent_and_no_error(post: Post) -> None:
    assert EmailMessage("one", "text").send() == 0
    assert get_connection().send_messages([]) == 0
    assert get_connection().send_messages([EmailMessage("one", "text")]) == 0

    assert post.files() == []


def test_a_bad_address_is_an_error_before_anything_is_sent(post: Post) -> None:
    mails = [(name, "text", SENDER, [name]) for name in ("a@example.net", "b@c@d")]

    with pytest.raises((NotAccepted, ValueError)):
        send_mass_mail(mails)

    assert post.files() == []


def test_what_fails_silently_is_not_counted(post: Post) -> None:
    nowhere = {"run": post.door.run, "drop": post.drop / "missing"}
    with override_settings(MAILDROPD_DOOR=nowhere):
        with pytest.raises(Unavailable):
            thank("one")
        with transaction.atomic(), pytest.raises(Unavailable):
            thank("one")
        quiet = get_connection(fail_silently=True)
        message = EmailMessage("one", "text", to=["a@example.net"])
        assert quiet.send_messages([message]) == 0
        with transaction.atomic():
            assert quiet.send_messages([message]) == 0

    bad = EmailMessage("bad", "text", to=["b c@example.net"])
    quiet = get_connection(fail_silently=True)
    assert quiet.send_messages([bad, message]) == 1
    assert post.delivered(1) == {"one": 1}


def test_the_backend_can_be_opened_and_closed_as_any(post: Post) -> None:
    with get_connection(username="u", password="p") as backend:
        assert backend.send_messages([EmailMessage("one", to=["a@example.net"])]) == 1

    assert post.delivered(1) == {"one": 1}


def test_mail_is_sent_from_asynchronous_code(post: Post) -> None:
    async def view() -> int:
        one: int = await sync_to_async(thank)("one")
        return one + thank("two")

    assert async_to_sync(view)() == 2
    assert post.delivered(2) == {"one": 1, "two": 1}


def test_send_mail_takes_what_it_always_took(post: Post) -> None:
    sent = send_mail(
        "one",
        "text",
        "Shop <shop@example.org>",
        ["a@example.net", "b@example.net"],
        auth_user="ignored",
        html_message="<p>text</p>",
    )

    assert sent == 1
    post.delivered(1)
    assert set(post.server.delivered[0].recipients) == {
        "a@example.net",
        "b@example.net",
    }
