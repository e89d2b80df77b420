# SPDX-License-Identifier: Apache-2.0
"""What a server says becomes of each recipient (docs/ERRORS.md)."""

import pytest

from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.outcome import Disposition, Outcome, Sign
from tests.fakes.actions import Action, reply, reply_and_close, usual
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

WAYS = [("PIPELINING",), ()]
BOB, EVE = "bob@example.net", "eve@example.net"
DELIVERED, DEFERRED, FAILED = Disposition
HUGE = (b"x" * 70 + b"\n") * 200_000  # more than the kernel takes in advance


@pytest.fixture(params=WAYS, ids=["pipelined", "step by step"])
def server(request: pytest.FixtureRequest) -> SmtpServer:
    return SmtpServer(extensions=request.param)


def attempt(server: SmtpServer, *recipients: str) -> tuple[Outcome, ...]:
    way = transport(server)
    try:
        return way.attempt(delivery(*(recipients or (BOB,))), alive)
    finally:
        way.close()


def what(outcomes: tuple[Outcome, ...]) -> list[tuple[Disposition, str, str]]:
    return [(o.disposition, o.reply.status, str(o.reply)) for o in outcomes]


@pytest.mark.parametrize("stage", ["mail", "data", "dot"])
@pytest.mark.parametrize(("code", "came"), [(451, DEFERRED), (550, FAILED)])
def test_a_refusal_of_the_message_is_for_every_recipient(
    server: SmtpServer, stage: str, code: int, came: Disposition
) -> None:
    server.on(stage, reply(f"{code} {code // 100}.7.1 not this one"))
    with server:
        outcomes = attempt(server, BOB, EVE)

        assert server.delivered == []
    place = {"mail": "MAIL", "data": "DATA", "dot": "final dot"}[stage]
    text = f"{code} not this one (in reply to {place})"
    assert what(outcomes) == [(came, f"{code // 100}.7.1", text)] * 2


@pytest.mark.parametrize(("code", "came"), [(450, DEFERRED), (550, FAILED)])
def test_a_refused_recipient_does_not_stop_the_others(
    server: SmtpServer, code: int, came: Disposition
) -> None:
    server.on("rcpt", reply(f"{code} {code // 100}.1.1 no bob"), matching="bob")
    with server:
        outcomes = attempt(server, BOB, EVE)

        assert [taken.recipients for taken in server.delivered] == [(EVE,)]
    assert [outcome.disposition for outcome in outcomes] == [came, DELIVERED]
    assert str(outcomes[0].reply) == f"{code} no bob (in reply to RCPT)"


def test_when_all_recipients_are_refused_no_content_is_sent(server: SmtpServer) -> None:
    server.on("rcpt", reply("450 4.2.0 later"), matching="bob")
    server.on("rcpt", reply("550 5.1.1 never"), matching="eve")
    with server:
        outcomes = attempt(server, BOB, EVE)

        assert server.ledger == []
    assert [outcome.disposition for outcome in outcomes] == [DEFERRED, FAILED]


@pytest.mark.parametrize("stage", ["rcpt", "mail"])
def test_data_granted_to_nobody_gets_no_message(stage: str) -> None:
    """Even a lone dot could be delivered as an empty message by such a server."""
    with SmtpServer(extensions=("PIPELINING",)) as server:
        server.on(stage, reply("550 5.1.1 no"), times=1)
        server.on("data", reply("354 go on all the same"), times=1)
        way = transport(server)
        [refused] = way.attempt(delivery(), alive)
        server.wait(lambda s: s.closed == 1)
        [taken] = way.attempt(delivery(number=2), alive)
        way.close()

        assert refused.disposition is FAILED
        assert taken.disposition is DELIVERED
        assert len(server.ledger) == 1
        assert server.connections == 2


def test_too_many_recipients_is_not_for_good(server: SmtpServer) -> None:
    """Since RFC 821 some say 552, some 452 (RFC 5321 4.5.3.1.10)."""
    server.on("rcpt", usual(), times=1)
    server.on("rcpt", reply("552 too many recipients"))
    with server:
        outcomes = attempt(server, BOB, EVE)

    assert [outcome.disposition for outcome in outcomes] == [DELIVERED, DEFERRED]
    assert outcomes[1].reply.code == 452


@pytest.mark.parametrize(
    "words",
    ["530 5.7.0 authentication required", "535 no", "550 5.7.8 log in first"],
)
@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_who_is_not_logged_in_is_misconfigured(
    server: SmtpServer, stage: str, words: str
) -> None:
    """It says nothing about the mail: all of it waits, and somebody is told."""
    server.on(stage, reply(words))
    with server, pytest.raises(RouteMisconfigured) as caught:
        attempt(server, BOB, EVE)

    assert caught.value.reply.code == int(words[:3])


def test_authentication_demanded_for_some_recipients_defers_those(
    server: SmtpServer,
) -> None:
    server.on("rcpt", reply("530 5.7.0 authentication required"), matching="bob")
    with server:
        outcomes = attempt(server, BOB, EVE)

    assert [outcome.disposition for outcome in outcomes] == [DEFERRED, DELIVERED]
    assert outcomes[0].reply.status == "4.7.0"


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
@pytest.mark.parametrize(
    ("words", "sign"),
    [
        ("554 5.7.1 <bob@example.net>: Relay access denied", Sign.UNWELCOME),
        ("550 5.7.54 unable to relay recipient", Sign.UNWELCOME),
        ("550 5.7.0 not this sender", Sign.UNWELCOME),
        ("550 relay not permitted", Sign.UNWELCOME),
        ("513 Relaying denied.", Sign.UNWELCOME),
        (
            "553 sorry, not in my list of rcpthosts",
            Sign.UNWELCOME,
        ),
        ("503 AUTH first", Sign.UNWELCOME),
        ("503 5.5.1 log in first", Sign.UNWELCOME),
        ("550 5.1.1 <relay@example.net>: no relay here", Sign.OPEN),
        ("550 <relay@example.net>: unknown", Sign.OPEN),
        ("454 4.7.1 Relay access denied", Sign.OPEN),
        ("550 no", Sign.OPEN),
    ],
)
def test_a_refusal_that_may_mean_all_our_mail_says_so(
    server: SmtpServer, stage: str, words: str, sign: Sign
) -> None:
    server.on(stage, reply(words))
    with server:
        outcomes = attempt(server, BOB, EVE)

    assert [outcome.sign for outcome in outcomes] == [sign, sign]


def test_who_is_refused_beside_somebody_who_is_not_is_meant_alone(
    server: SmtpServer,
) -> None:
    server.on("rcpt", reply("554 5.7.1 Relay access denied"), matching="bob")
    with server:
        refused, taken = attempt(server, BOB, EVE)

    assert (refused.disposition, refused.sign) == (FAILED, Sign.OPEN)
    assert taken.disposition is DELIVERED


def test_a_refusal_after_a_yes_on_the_same_connection_is_about_the_mail(
    server: SmtpServer,
) -> None:
    server.on("rcpt", reply("554 5.7.1 Relay access denied"), matching="eve")
    with server:
        way = transport(server)
        [taken] = way.attempt(delivery(BOB), alive)
        [refused] = way.attempt(delivery(EVE, number=2), alive)
        way.close()

    assert taken.disposition is DELIVERED
    assert (refused.disposition, refused.sign) == (FAILED, Sign.OPEN)


def test_who_had_a_yes_on_this_connection_is_not_refused_altogether(
    server: SmtpServer,
) -> None:
    """One message that a server will not take stopped all others for an hour."""
    server.on("mail", reply("535 5.7.8 not you"), matching="mallory")
    with server:
        way = transport(server)
        [first] = way.attempt(delivery(BOB), alive)
        [denied] = way.attempt(
            delivery(BOB, sender="mallory@example.org", number=2), alive
        )
        way.close()

    assert [first.disposition, denied.disposition] == [DELIVERED, DEFERRED]


@pytest.mark.parametrize("words", ["550 5.7.1 no", "553 5.1.8 bad sender", "554 no"])
def test_a_sender_refused_in_plain_words_is_this_messages_trouble(
    server: SmtpServer, words: str
) -> None:
    server.on("mail", reply(words))
    with server:
        [outcome] = attempt(server)

    assert outcome.disposition is FAILED


@pytest.mark.parametrize(
    ("stage", "action"),
    [
        ("banner", reply_and_close("421 4.3.2 too busy")),
        ("banner", reply("450 greylisted")),
        ("banner", reply("554 5.7.1 blocked")),
        ("ehlo", reply_and_close("421 4.3.2 closing")),
        ("ehlo", reply("450 not now")),
        ("ehlo", reply("554 no")),
        ("mail", reply_and_close("421 4.3.2 closing")),
        ("rcpt", reply_and_close("421 4.3.2 closing")),
        ("data", reply_and_close("421 4.3.2 closing")),
    ],
)
def test_a_server_that_is_not_ready_is_the_routes_trouble(
    server: SmtpServer, stage: str, action: Action
) -> None:
    server.on(stage, action)
    if stage == "ehlo":
        server.on("helo", reply("554 no"))
    with server, pytest.raises(RouteError) as caught:
        attempt(server, BOB, EVE)

    assert not isinstance(caught.value, RouteMisconfigured)
    assert "(in reply to " in caught.value.reply.text


def test_who_was_refused_before_a_421_stays_refused(server: SmtpServer) -> None:
    server.on("rcpt", reply("550 5.1.1 no bob"), matching="bob")
    server.on("rcpt", reply_and_close("421 4.7.0 too many errors"), matching="eve")
    with server:
        outcomes = attempt(server, BOB, EVE)

    assert what(outcomes) == [
        (FAILED, "5.1.1", "550 no bob (in reply to RCPT)"),
        (DEFERRED, "4.7.0", "421 too many errors (in reply to RCPT)"),
    ]


def test_a_sender_refused_with_a_hang_up_is_this_messages_trouble() -> None:
    """As Exim's ``drop`` does it, ahead of RCPT: the route took the blame."""
    with SmtpServer() as server:
        server.on("mail", reply_and_close("550 5.1.8 no such domain"), matching="bad")
        way = transport(server)
        senders = ("good@e.org", "bad1@e.org", "bad2@e.org", "good@e.org")
        found = [
            way.attempt(delivery(sender=sender, number=number), alive)[0].disposition
            for number, sender in enumerate(senders)
        ]
        way.close()

    failed, delivered = Disposition.FAILED, Disposition.DELIVERED
    assert found == [delivered, failed, failed, delivered]


def test_421_to_the_final_dot_defers_the_message(server: SmtpServer) -> None:
    server.on("dot", reply_and_close("421 4.3.0 no room"))
    with server:
        [outcome] = attempt(server)

    assert outcome.disposition is DEFERRED
    assert not outcome.in_doubt


def test_421_to_the_same_message_twice_running_defers_it(server: SmtpServer) -> None:
    """Else one message that a server dislikes would close the route for ever."""
    server.on("mail", reply_and_close("421 4.7.28 not from this sender"))
    with server:
        way = transport(server)
        with pytest.raises(RouteError):
            way.attempt(delivery(), alive)
        [outcome] = way.attempt(delivery(), alive)
        with pytest.raises(RouteError):
            way.attempt(delivery(number=2), alive)

    assert outcome.disposition is DEFERRED


def test_421_in_the_middle_of_the_content_is_the_routes_trouble(
    server: SmtpServer,
) -> None:
    server.on("body", reply_and_close("421 4.3.2 closing"))
    with server, pytest.raises(RouteError, match="reply to content"):
        transport(server).attempt(delivery(content=HUGE), alive)


@pytest.mark.parametrize(("code", "came"), [(452, DEFERRED), (552, FAILED)])
def test_a_refusal_in_the_middle_of_the_content_counts(
    server: SmtpServer, code: int, came: Disposition
) -> None:
    server.on("body", reply_and_close(f"{code} message too large"))
    with server:
        way = transport(server)
        [outcome] = way.attempt(delivery(content=HUGE), alive)

        assert server.ledger == []
    assert outcome.disposition is came
    assert str(outcome.reply) == f"{code} message too large (in reply to content)"


def test_a_yes_in_the_middle_of_the_content_is_not_believed(
    server: SmtpServer,
) -> None:
    server.on("body", reply("250 2.0.0 taken"))
    with server:
        [outcome] = transport(server).attempt(delivery(content=HUGE), alive)

        assert server.delivered == []
    assert outcome.disposition is DEFERRED
    assert not outcome.in_doubt
