# SPDX-License-Identifier: Apache-2.0
"""Which way a recipient would go, and which section says so."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from maildropd.cli.words import clean
from maildropd.config.model import Config
from maildropd.mail.envelope import Envelope, QueueId, Submitter, Terms
from maildropd.route.base import NextHop, Way
from maildropd.route.rules import RulesRouter
from maildropd.store.base import LeasedRecipient

_USUAL = ("[queue] relay", "[names] aliases")


def way(
    config: Config, submitter: Submitter, sender: str | None, to: str, run: str
) -> str:
    """Return it in words; of several relays of one preference, one of the orders."""
    envelope = Envelope(
        queue_id=QueueId(""),
        reverse_path=sender,
        arrived=datetime.now(UTC),
        size=0,
        submitter=submitter,
    )
    recipient = LeasedRecipient(
        number=0, forward_path=to, attempts=0, fence=0, terms=Terms(run=run)
    )
    found = RulesRouter(config).decide(envelope, recipient)
    by = "" if found.by in _USUAL else f" ({found.by})"
    return clean(f"{_words(config, found.hops, run)}{by}")


def _words(config: Config, hops: Sequence[NextHop], run: str) -> str:
    hop = hops[0]
    if hop.way is Way.RELAY:
        several = [f"{each.relay}, {each.destination}" for each in hops]
        return f"by relay {', else '.join(several)}"
    if hop.way is Way.ERROR:
        routes = {route.name: route.error for route in config.routes}
        return f"refused, {routes[hop.route]}"
    words: Mapping[Way, str] = {
        Way.MX: f"by the servers of {hop.destination}",
        Way.CAPTURE: f"captured in {hop.destination.removeprefix('maildir:')}",
        Way.COMMAND: f"runs {run}",
        Way.FILE: f"runs {run}",
        Way.DISCARD: "discarded",
        Way.NOWHERE: "waits",
    }
    return words[hop.way]
