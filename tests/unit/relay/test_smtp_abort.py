# SPDX-License-Identifier: Apache-2.0
"""Broken off from outside: what was not handed over counts as not tried."""

import ssl
import threading
from datetime import timedelta

import pytest

from maildropd.config.relay import RelayConfig, Tls
from maildropd.mail.errors import RouteError
from maildropd.relay import link
from maildropd.relay.handover import Handover
from maildropd.relay.tls import context
from tests.fakes import actions
from tests.fakes.actions import then
from tests.fakes.certificates import certificates
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer


def test_the_interval_does_not_hold_up_the_end() -> None:
    with SmtpServer() as server:
        way = transport(server, wait_interval=timedelta(hours=1))
        way.attempt(delivery(number=1), alive)
        waiting = threading.Event()
        ended: list[RouteError] = []

        def attempt() -> None:
            try:
                way.attempt(delivery(number=2), lambda _: waiting.set())
            except RouteError as error:
                ended.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        assert waiting.wait(10)
        way.abort()
        thread.join(10)
        way.close()

        assert [error.reply.status for error in ended] == ["4.3.2"]
        assert len(server.delivered) == 1


@pytest.mark.parametrize("stage", ["banner", "ehlo", "mail", "rcpt", "data"])
def test_an_attempt_is_broken_off_from_outside(stage: str) -> None:
    """Nothing was delivered, so it is as if it had not been tried."""
    with SmtpServer(extensions=()) as server:
        reached = threading.Event()
        server.on(stage, then(lambda _: reached.set(), actions.hang()))
        way = transport(server)

        def abort() -> None:
            assert reached.wait(10)
            way.abort()

        thread = threading.Thread(target=abort)
        thread.start()
        with pytest.raises(RouteError, match="broken off by us"):
            way.attempt(delivery(), alive)
        thread.join(10)

        with pytest.raises(RouteError, match="stopped by us"):
            way.attempt(delivery(), alive)


def test_what_is_broken_off_before_it_connects_is_not_sent_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The daemon stopped, and the mail that nobody remembered went out twice."""
    made = certificates()
    with SmtpServer(tls=made.server()) as server:
        way = transport(server, tls=Tls.REQUIRED, tls_ca_file=made.ca)

        def slowly(config: RelayConfig) -> ssl.SSLContext:
            way.abort()
            return context(config)

        monkeypatch.setattr(link, "context", slowly)

        with pytest.raises(RouteError, match="broken off by us"):
            way.attempt(delivery(), alive)
        way.close()

    assert server.ledger == []
    assert server.connections == 0


def test_broken_off_after_the_final_dot_the_message_is_in_doubt() -> None:
    with SmtpServer() as server:
        reached = threading.Event()
        server.on("dot", then(actions.keep(), lambda _: reached.set(), actions.hang()))
        way = transport(server)

        def abort() -> None:
            assert reached.wait(10)
            way.abort()

        thread = threading.Thread(target=abort)
        thread.start()
        [outcome] = way.attempt(delivery(), alive)
        thread.join(10)

    assert outcome.in_doubt


def test_without_the_memory_to_hear_the_answer_the_message_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was sent again, and the log did not say that it may be there twice."""

    def no_memory(_: Handover) -> None:
        raise MemoryError

    with SmtpServer() as server:
        way = transport(server)
        with monkeypatch.context() as patch:
            patch.setattr(Handover, "_verdict", no_memory)
            [outcome] = way.attempt(delivery(number=1), alive)
        way.attempt(delivery(number=2), alive)
        way.close()

    assert outcome.in_doubt
    assert server.connections == 2  # the answer is not taken for the next one's
