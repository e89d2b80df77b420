# SPDX-License-Identifier: Apache-2.0
"""A smarthost that will not relay for us any more: an alarm, and no bounces."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.events import (
    RecipientDeferred,
    RecipientExpired,
    RecipientFailed,
)
from maildropd.mail.route_events import RouteAlarm, RouteFailed, RouteRestored
from tests.fakes.actions import Action, reply
from tests.fakes.relay import relay
from tests.fakes.smtp_server import SmtpServer
from tests.faults.server_stand import Stand

MINUTE = timedelta(minutes=1)
DENIALS = {
    "Postfix": ("rcpt", "554 5.7.1 <x@y>: Relay access denied"),
    "Postfix, our address": (
        "rcpt",
        "554 5.7.1 Client host blocked",
    ),
    "Exchange": ("rcpt", "550 5.7.54 SMTP; Unable to relay recipient"),
    "Exim": ("rcpt", "550 relay not permitted"),
    "sendmail": ("rcpt", "550 5.7.1 <x@y>... Relaying denied"),
    "qmail": ("rcpt", "553 sorry, that domain isn't in my list of rcpthosts (#5.7.1)"),
    "the sender": (
        "mail",
        "553 5.7.1 <a@b>: Sender not owned by user",
    ),
    "no login": ("mail", "503 5.5.1 Error: authentication required"),
}


@contextmanager
def one_connection(folder: Path, server: SmtpServer) -> Iterator[Stand]:
    stand = Stand(folder, relay(server, max_connections=1))
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()


@pytest.mark.parametrize("name", DENIALS)
def test_a_smarthost_that_denies_everything_is_an_alarm_and_no_bounce(
    tmp_path: Path, name: str
) -> None:
    """A changed setting there must not fail the mail of a night here."""
    stage, words = DENIALS[name]
    with SmtpServer() as server, one_connection(tmp_path, server) as stand:
        server.on(stage, reply(words))
        stand.pour(10, "good")
        [alarm] = stand.journal.wait_for(RouteAlarm)
        deferred = stand.journal.wait_for(RecipientDeferred, 3)
        tried = server.verbs().count("MAIL")
        server.forget()
        stand.go(MINUTE)
        stand.until(lambda: stand.delivered("good") == 7, "what was not tried")
        stand.go(5 * MINUTE)
        stand.until(lambda: stand.delivered("good") == 10, "what was put off")

    assert tried == 3
    assert alarm.retry_in == MINUTE
    assert alarm.reply.code == int(words[:3])
    assert {each.retry_in for each in deferred} == {5 * MINUTE}
    assert not stand.journal.of(RecipientFailed)
    assert len(stand.journal.of(RouteAlarm)) == 1
    assert len(stand.journal.of(RouteRestored)) == 1


@pytest.mark.parametrize(
    "action", [reply("550 5.1.1 no such user"), reply("550 5.7.1 spam")]
)
def test_a_refusal_of_one_mail_among_others_is_final_at_once(
    tmp_path: Path, action: Action
) -> None:
    """Whoever wrote to nobody hears of it at once, whatever the status."""
    with SmtpServer() as server, one_connection(tmp_path, server) as stand:
        server.on("rcpt", action, matching="bad")
        stand.gone(stand.add("first@good"))
        view = stand.tried(stand.add("bad@good"))
        stand.gone(stand.add("last@good"))

    assert view is not None
    assert len(stand.journal.of(RecipientFailed)) == 1
    assert not stand.journal.of(RouteAlarm)


def test_what_is_refused_for_its_content_is_final_although_nothing_else_went(
    tmp_path: Path,
) -> None:
    """After the final dot a refusal is about the mail, and its sender should know."""
    with SmtpServer() as server, one_connection(tmp_path, server) as stand:
        server.on("dot", reply("550 5.7.1 message looks like spam"))
        stand.pour(5, "good")
        stand.journal.wait_for(RecipientFailed, 5)

    assert not stand.journal.of(RouteAlarm)


def test_all_that_is_too_old_for_a_dead_smarthost_expires_together(
    tmp_path: Path,
) -> None:
    """One message a minute expired, and its equals waited for their turn."""
    server = SmtpServer()
    with server:
        pass  # nobody listens any more
    with one_connection(tmp_path, server) as stand:
        stand.pour(300, "good")
        stand.journal.wait_for(RouteFailed)
        stand.held.forward(timedelta(days=5) - MINUTE)
        stand.pour(5, "young")
        stand.go(2 * MINUTE)
        expired = stand.journal.wait_for(RecipientExpired, 300)
        left = [
            v.recipients[0].forward_path
            for v in stand.store.list("", 500)
            if v.recipients[0].due
        ]

    assert {each.reply.status for each in expired} == {"4.4.1"}
    assert sorted(left) == [f"r{number}@young" for number in range(5)]
