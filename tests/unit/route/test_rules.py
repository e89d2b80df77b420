# SPDX-License-Identifier: Apache-2.0
"""Which way a recipient goes, by its section and its terms."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from maildropd.config.model import (
    Config,
    DaemonConfig,
    NamesConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import Patterns, RouteConfig
from maildropd.mail.envelope import (
    Envelope,
    Priority,
    QueueId,
    Submission,
    Submitter,
    Terms,
)
from maildropd.route.base import Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import LeasedRecipient

HERE = Path("/srv")
MAIN = RelayConfig(name="smarthost", host="mx.example.net")
BULK = RelayConfig(name="bulk", host="bulk.example.net")


def router(*, runs: bool = False, sections: bool = True) -> RulesRouter:
    return RulesRouter(
        Config(
            source=HERE,
            daemon=DaemonConfig(state_directory=HERE, runtime_directory=HERE),
            submission=SubmissionConfig(socket=HERE, sendmail_socket=HERE),
            names=NamesConfig(aliases_may_run=runs),
            submitters=(
                SubmitterConfig(name="shop"),
                SubmitterConfig(name="news", relay="bulk"),
                SubmitterConfig(name="staging", capture=HERE / "box"),
                SubmitterConfig(name="tests", capture=HERE / "box"),
            )
            if sections
            else (),
            relay=MAIN,
            relays=(MAIN, BULK),
        )
    )


def way(asked: RulesRouter, rules: str = "", run: str = "") -> tuple[Way, str]:
    envelope = Envelope(
        queue_id=QueueId("4XK2"),
        reverse_path="ann@example.org",
        arrived=datetime(2026, 1, 2, tzinfo=UTC),
        size=1,
        submitter=Submitter(name="sendmail", rules=rules),
    )
    recipient = LeasedRecipient(
        number=0,
        forward_path="bob@example.net",
        attempts=0,
        fence=1,
        terms=Terms(run=run),
    )
    hop = asked.next_hops(envelope, recipient)[0]
    assert hop in asked.hops()
    return hop.way, hop.destination


@pytest.mark.parametrize(
    ("rules", "destination"),
    [
        ("", "mx.example.net:25"),
        ("shop", "mx.example.net:25"),
        ("news", "bulk.example.net:25"),
    ],
)
def test_a_section_may_have_a_relay_of_its_own(rules: str, destination: str) -> None:
    assert way(router(), rules) == (Way.RELAY, destination)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("run", ["", "|/bin/true", "/var/log/mail"])
def test_what_is_captured_goes_nowhere_else(run: str, *, runs: bool) -> None:
    """Neither to a server nor to a command: it would act on what is no real mail."""
    assert way(router(runs=runs), "staging", run) == (Way.CAPTURE, "maildir:/srv/box")


@pytest.mark.parametrize("run", ["", "|/bin/true"])
def test_what_was_taken_under_a_section_that_is_gone_waits(run: str) -> None:
    """It may have been one that captures; nobody can tell any more."""
    asked = router(runs=True, sections=False)

    assert way(asked, "staging", run) == (Way.NOWHERE, "none")
    assert way(asked) == (Way.RELAY, "mx.example.net:25")


def test_aliases_run_what_they_may() -> None:
    allowed, forbidden = router(runs=True), router()

    assert way(allowed, "news", "|/bin/true") == (Way.COMMAND, "command")
    assert way(allowed, "", "/var/log/mail") == (Way.FILE, "file")
    assert way(forbidden, "news", "|/bin/true") == (Way.NOWHERE, "none")
    assert way(forbidden, "", "/var/log/mail") == (Way.NOWHERE, "none")


def test_each_way_is_there_once_and_no_other() -> None:
    hops = [hop.destination for hop in router().hops()]

    assert hops == [
        "mx.example.net:25",
        "bulk.example.net:25",
        "maildir:/srv/box",
        "none",
    ]
    assert [hop.destination for hop in router(runs=True).hops()][3:] == [
        "command",
        "file",
        "none",
    ]


def test_a_share_is_the_section_s_own_or_that_of_the_best_route() -> None:
    """A newsletter's bounces may wait; a password mail to the same people not."""
    shop = SubmitterConfig(name="shop", priority=Priority.LOW)
    urgent = RouteConfig(
        name="urgent",
        recipient=Patterns(("pager.example.net",)),
        priority=Priority.HIGH,
        discard=True,
    )
    asked = RulesRouter(
        Config(
            source=HERE,
            daemon=DaemonConfig(state_directory=HERE, runtime_directory=HERE),
            submission=SubmissionConfig(socket=HERE, sendmail_socket=HERE),
            submitters=(shop,),
            routes=(urgent,),
        )
    )

    def share(*recipients: str, rules: str = "") -> Priority:
        return asked.priority(
            Submission(
                reverse_path="a@example.org",
                recipients=recipients,
                submitter=Submitter(name="sendmail", rules=rules),
                content=(),
            )
        )

    assert share("bob@example.net") is Priority.NORMAL
    assert share("bob@example.net", "bob@pager.example.net") is Priority.HIGH
    assert share("bob@pager.example.net", rules="shop") is Priority.LOW
    assert share("bob@pager.example.net", rules="another") is Priority.HIGH
