# SPDX-License-Identifier: Apache-2.0
"""Routes in their order: the first that fits a recipient counts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from maildropd.config.model import (
    Config,
    DaemonConfig,
    NamesConfig,
    QueueConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import Patterns, RouteConfig, Share, Shares
from maildropd.mail.envelope import Envelope, QueueId, Submitter, Terms
from maildropd.mail.reply import Reply
from maildropd.route.base import NextHop, Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import LeasedRecipient

HERE = Path("/srv")
MAIN = RelayConfig(name="main", host="mx.example.net")
BULK = RelayConfig(name="bulk", host="bulk.example.net")
INSIDE = RelayConfig(name="inside", socket=HERE / "lmtp")
BOX = HERE / "box"
NO = Reply(550, "5.1.1", "no such user")
ANYBODY = Patterns(("*",))


def to(*names: str) -> Shares:
    shares = (Share(relay=name, preference=n) for n, name in enumerate(names))
    return Shares(tuple(shares))


def route(name: str, **words: Any) -> RouteConfig:
    if not {"recipient", "sender", "submitter"} & set(words):
        words["recipient"] = ANYBODY
    return RouteConfig(name=name, **words)


def router(*routes: RouteConfig, **more: Any) -> RulesRouter:
    words: dict[str, Any] = {
        "source": HERE,
        "daemon": DaemonConfig(state_directory=HERE, runtime_directory=HERE),
        "submission": SubmissionConfig(socket=HERE, sendmail_socket=HERE),
        "names": NamesConfig(aliases_may_run=True),
        "submitters": (
            SubmitterConfig(name="shop"),
            SubmitterConfig(name="news", relay="bulk"),
            SubmitterConfig(name="staging", capture=HERE / "staging"),
        ),
        "routes": routes,
        "relay": MAIN,
        "relays": (MAIN, BULK, INSIDE),
    }
    return RulesRouter(Config(**(words | more)))


def hops(
    asked: RulesRouter,
    recipient: str = "bob@example.net",
    *,
    sender: str | None = "ann@example.org",
    submitter: Submitter | None = None,
    run: str = "",
) -> Sequence[NextHop]:
    envelope = Envelope(
        queue_id=QueueId("4XK2"),
        reverse_path=sender,
        arrived=datetime(2026, 1, 2, tzinfo=UTC),
        size=1,
        submitter=submitter or Submitter(name="sendmail", uid=1000),
    )
    leased = LeasedRecipient(
        number=0, forward_path=recipient, attempts=0, fence=1, terms=Terms(run=run)
    )
    return asked.next_hops(envelope, leased)


def where(asked: RulesRouter, *words: Any, **more: Any) -> list[str]:
    return [hop.destination for hop in hops(asked, *words, **more)]


def test_the_first_route_that_fits_counts_and_what_fits_none_goes_to_the_relay() -> (
    None
):
    asked = router(
        route("a", recipient=Patterns(("example.net",)), relay=to("bulk")),
        route("b", recipient=Patterns(("bob@",)), relay=to("inside")),
    )

    assert where(asked, "bob@example.net") == ["bulk.example.net:25"]
    assert where(asked, "bob@example.org") == ["unix:/srv/lmtp"]
    assert where(asked, "eve@example.org") == ["mx.example.net:25"]


def test_all_that_a_route_says_must_fit() -> None:
    asked = router(
        route(
            "a",
            recipient=Patterns(("example.net",)),
            sender=Patterns(("<>",)),
            submitter=("smtp",),
            relay=to("bulk"),
        )
    )
    by_smtp = Submitter(name="smtp")

    assert where(asked, sender=None, submitter=by_smtp) == ["bulk.example.net:25"]
    assert where(asked, submitter=by_smtp) == ["mx.example.net:25"]
    assert where(asked, sender=None) == ["mx.example.net:25"]
    assert where(asked, "x@example.org", sender=None, submitter=by_smtp) == [
        "mx.example.net:25"
    ]


@pytest.mark.parametrize(
    ("word", "submitter", "fits"),
    [
        ("shop", Submitter(name="sendmail", rules="shop"), True),
        ("shop", Submitter(name="sendmail"), False),
        ("spool=drop", Submitter(name="spool=drop"), True),
        ("uid=1000", Submitter(name="smtp", uid=1000), True),
        ("uid=1000", Submitter(name="smtp", uid=100), False),
        ("uid=1000", Submitter(name="smtp"), False),
        ("cron.service", Submitter(name="smtp", unit="cron.service"), True),
        ("backup@*.service", Submitter(name="smtp", unit="backup@a.service"), True),
        ("backup@*.service", Submitter(name="smtp"), False),
    ],
)
def test_a_submitter_is_known_by_section_way_uid_or_unit(
    word: str, submitter: Submitter, *, fits: bool
) -> None:
    asked = router(route("a", submitter=(word,), relay=to("bulk")))

    assert (where(asked, submitter=submitter) == ["bulk.example.net:25"]) is fits


def test_several_relays_are_next_hops_in_their_order() -> None:
    """The second takes the mail while the first does not work."""
    asked = router(route("a", relay=to("bulk", "main")))

    assert where(asked) == ["bulk.example.net:25", "mx.example.net:25"]


def test_a_section_that_says_where_comes_before_all_routes() -> None:
    asked = router(route("all", relay=to("inside")))
    shop, news, staging = (
        Submitter(name="smtp", rules=name) for name in ("shop", "news", "staging")
    )

    assert where(asked, submitter=shop) == ["unix:/srv/lmtp"]
    assert where(asked, submitter=news) == ["bulk.example.net:25"]
    assert where(asked, submitter=staging) == ["maildir:/srv/staging"]


def test_mail_of_a_section_that_is_gone_waits_whatever_routes_say() -> None:
    """It may have been captured."""
    gone = Submitter(name="smtp", rules="gone")

    assert where(router(route("all", relay=to("bulk"))), submitter=gone) == ["none"]


def test_a_domain_of_its_own_is_a_next_hop_of_its_own() -> None:
    asked = router(route("out", mx="yes"), route("never", mx="bulk"))
    [hop] = hops(asked, "bob@Example.NET")
    [same] = hops(asked, "eve@example.net.")

    assert hop == same == NextHop(way=Way.MX, relay="", destination="example.net")
    assert hops(asked, "bob@b\xfccher.example")[0].destination == (
        "xn--bcher-kva.example"
    )
    assert hops(router(route("out", mx="bulk")))[0].relay == "bulk"


@pytest.mark.parametrize("run", ["", "|/bin/true", "/var/log/mail"])
@pytest.mark.parametrize(
    ("words", "destination"),
    [
        ({"discard": True}, "discard:end"),
        ({"error": NO}, "error:end"),
        ({"capture": BOX}, "maildir:/srv/box"),
    ],
)
def test_what_a_route_ends_here_goes_nowhere_else(
    words: dict[str, Any], destination: str, run: str
) -> None:
    """Commands of aliases included: they would act on what was to be no mail."""
    assert where(router(route("end", **words)), run=run) == [destination]


@pytest.mark.parametrize("words", [{"mx": "yes"}, {"relay": to("bulk")}])
def test_a_command_of_an_alias_runs_here_whatever_relay_a_route_has(
    words: dict[str, Any],
) -> None:
    assert where(router(route("out", **words)), run="|/bin/true") == ["command"]


@pytest.mark.parametrize("run", ["", "|/bin/true"])
@pytest.mark.parametrize("rules", ["", "news", "staging", "gone"])
def test_capture_all_takes_everything(rules: str, run: str) -> None:
    """Staging: nothing at all gets out, and no command runs."""
    asked = router(route("out", relay=to("bulk")), queue=QueueConfig(capture_all=BOX))
    submitter = Submitter(name="smtp", rules=rules)

    assert where(asked, submitter=submitter, run=run) == ["maildir:/srv/box"]
    assert [hop.destination for hop in asked.hops()] == ["maildir:/srv/box"]


def test_the_ways_of_routes_are_known_but_for_domains() -> None:
    asked = router(
        route("a", relay=to("bulk", "inside")),
        route("b", discard=True),
        route("c", error=NO),
        route("d", capture=BOX),
        route("e", mx="yes"),
        submitters=(),
    )

    assert [hop.destination for hop in asked.hops()] == [
        "mx.example.net:25",
        "bulk.example.net:25",
        "unix:/srv/lmtp",
        "discard:b",
        "error:c",
        "maildir:/srv/box",
        "command",
        "file",
        "none",
    ]


def test_what_says_so_is_told() -> None:
    asked = router(route("a", sender=Patterns(("<>",)), relay=to("bulk")))
    envelope = Envelope(
        queue_id=QueueId("4XK2"),
        reverse_path=None,
        arrived=datetime(2026, 1, 2, tzinfo=UTC),
        size=1,
        submitter=Submitter(name="smtp"),
    )
    other = replace(envelope, reverse_path="ann@example.org")
    bob = LeasedRecipient(number=0, forward_path="b@x.example", attempts=0, fence=1)

    assert asked.decide(envelope, bob).by == "[route a]"
    assert asked.decide(other, bob).by == "[queue] relay"
