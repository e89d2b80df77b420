# SPDX-License-Identifier: Apache-2.0
"""Mail without a way waits, and says to an administrator what is missing."""

from dataclasses import replace

from maildropd.mail.envelope import Submitter, Terms
from maildropd.mail.outcome import Disposition
from maildropd.relay.base import Delivery
from maildropd.relay.local.nowhere import NowhereTransport
from tests.fakes.relay import alive, delivery


def of_section(rules: str, run: str = "") -> Delivery:
    mail = delivery("bob@example.net")
    who = Submitter(name="sendmail", rules=rules)
    envelope = replace(mail.envelope, submitter=who)
    return replace(mail, envelope=envelope, terms=(Terms(run=run),))


def test_a_section_that_is_gone_is_named() -> None:
    (outcome,) = NowhereTransport({"shop"}).attempt(of_section("staging"), alive)

    assert outcome.disposition is Disposition.DEFERRED
    assert outcome.relay == "none"
    assert "[submitter staging]" in outcome.reply.text
    assert "gone from the configuration" in outcome.reply.text


def test_the_key_that_forbids_a_command_is_named() -> None:
    for rules in ("", "shop"):
        mail = of_section(rules, "|/bin/true")
        (outcome,) = NowhereTransport({"shop"}).attempt(mail, alive)

        assert outcome.disposition is Disposition.DEFERRED
        assert "aliases_may_run = no" in outcome.reply.text


def test_each_recipient_has_an_outcome() -> None:
    mail = replace(of_section("x"), recipients=("a@x", "b@x"))

    transport = NowhereTransport(set())

    assert len(transport.attempt(mail, alive)) == 2
    transport.abort()
    transport.close()
