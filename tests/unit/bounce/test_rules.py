# SPDX-License-Identifier: Apache-2.0
"""Who is told of what."""

from pathlib import Path

import pytest

from maildropd.bounce.rules import BOUNCE, DOUBLE, Addressed, Post, Wish, wants
from maildropd.config.model import SubmitterConfig
from maildropd.mail.envelope import Envelope, QueueId, Submitter, Terms
from tests.unit.bounce.cases import NOON

BOB = "bob@example.net"
SECTIONS = (
    SubmitterConfig(name="staging", capture=Path("/srv/captured")),
    SubmitterConfig(name="test", redirect_to="dev@example.org"),
    SubmitterConfig(name="news", relay="bulk"),
)


def envelope(
    sender: str | None = "ann@example.org",
    rules: str = "",
    name: str = "smtp",
    verp: str = "",
) -> Envelope:
    return Envelope(
        queue_id=QueueId("0123456789AB"),
        reverse_path=sender,
        arrived=NOON,
        size=1,
        submitter=Submitter(name=name, rules=rules),
        verp=verp,
    )


@pytest.mark.parametrize(
    ("notify", "wishes"),
    [
        ("", {"FAILURE", "DELAY"}),
        ("NEVER", set()),
        ("SUCCESS", {"SUCCESS"}),
        ("FAILURE", {"FAILURE"}),
        ("SUCCESS,DELAY", {"SUCCESS", "DELAY"}),
    ],
)
def test_each_hears_of_what_he_wants_to(notify: str, wishes: set[str]) -> None:
    """RFC 3461 4.1; who says nothing hears of failures and delays."""
    assert {one for one in Wish if wants(Terms(notify=notify), one)} == wishes


def test_the_sender_is_told() -> None:
    assert Post((), "").addressee(envelope(), BOB) == Addressed(to="ann@example.org")


def test_nobody_is_told_of_a_bounce_that_bounces() -> None:
    """A notice to a null reverse-path is a loop: one per second, for weeks."""
    assert Post((), "").addressee(envelope(None), BOB) is None


def test_somebody_who_wants_to_hears_of_it_once() -> None:
    post = Post((), "postmaster@example.org")

    told = post.addressee(envelope(None, name=BOUNCE), BOB)

    assert told == Addressed(to="postmaster@example.org", submitter=DOUBLE)
    assert post.addressee(envelope(None, name=DOUBLE), BOB) is None


@pytest.mark.parametrize("rules", ["staging", "one that is gone"])
def test_what_was_captured_bounces_into_the_same_place(rules: str) -> None:
    """A staging host's sender may be a customer, who must not hear of it."""
    told = Post(SECTIONS, "").addressee(envelope(rules=rules), BOB)

    assert told == Addressed(to="ann@example.org", rules=rules)


def test_what_was_redirected_bounces_to_who_got_it() -> None:
    told = Post(SECTIONS, "").addressee(envelope("customer@example.com", "test"), BOB)

    assert told == Addressed(to="dev@example.org")


def test_a_relay_of_its_own_is_for_the_mail_and_not_for_its_bounce() -> None:
    told = Post(SECTIONS, "").addressee(envelope(rules="news"), BOB)

    assert told == Addressed(to="ann@example.org")


def test_a_list_hears_of_each_recipient_at_an_address_of_his_own() -> None:
    """VERP: so the list knows whom to drop, whatever the report says."""
    told = Post((), "").addressee(envelope(verp="+="), "bob@example.net")

    assert told == Addressed(to="ann+bob=example.net@example.org")
