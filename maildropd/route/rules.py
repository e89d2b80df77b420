# SPDX-License-Identifier: Apache-2.0
"""Where mail goes: the first rule that has something to say about it.

What was taken under a section that is gone waits: it may have been one that
captures, and its mail must not get out because somebody renamed it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from maildropd.config.model import Config
from maildropd.mail.envelope import Envelope, Priority, Submission, Submitter
from maildropd.route import ways
from maildropd.route.base import NextHop, Way
from maildropd.route.matcher import Parts
from maildropd.route.table import Route
from maildropd.store.base import LeasedRecipient

_LEAVES: frozenset[Way] = frozenset((Way.RELAY, Way.MX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a recipient goes, and what says so."""

    hops: tuple[NextHop, ...]
    by: str  # "[route inside]"


class RulesRouter:
    """Knows the ways of one configuration."""

    def __init__(self, config: Config) -> None:
        """Look up each section's way once."""
        self._all = ways.of_capture(config.queue.capture_all)
        self._runs = config.names.aliases_may_run
        relays = {
            relay.name: ways.of_relay(relay) for relay in (config.relay, *config.relays)
        }
        self._default = relays[config.relay.name]
        self._sections = {
            each.name: ways.of_section(each, relays) for each in config.submitters
        }
        self._routes = [Route(each, relays) for each in config.routes]
        self._shares = {each.name: each.priority for each in config.submitters}
        self._weighs = any(
            each.priority is not Priority.NORMAL for each in config.routes
        )

    def hops(self) -> Iterator[NextHop]:
        """Yield every way there may be, each once; but for domains' own servers."""
        if self._all:
            yield self._all
            return
        sections = filter(None, self._sections.values())
        routes = (hop for route in self._routes for hop in route.lasting)
        local = (ways.COMMAND, ways.FILE) if self._runs else ()
        found = (self._default, *sections, *routes, *local, ways.NOWHERE)
        yield from dict.fromkeys(found)

    def next_hops(
        self, envelope: Envelope, recipient: LeasedRecipient
    ) -> tuple[NextHop, ...]:
        """Return the ways, the best first."""
        return self.decide(envelope, recipient).hops

    def decide(self, envelope: Envelope, recipient: LeasedRecipient) -> Decision:
        """Return the ways; what is captured goes nowhere else, commands included."""
        if self._all:
            return Decision(hops=(self._all,), by="[queue] capture_all")
        found = self._by_rule(envelope, recipient)
        run = recipient.terms.run
        if not run or found.hops[0].way not in _LEAVES:
            return found
        if not self._runs:
            return Decision(hops=(ways.NOWHERE,), by="[names] aliases_may_run")
        hop = ways.COMMAND if run.startswith("|") else ways.FILE
        return Decision(hops=(hop,), by="[names] aliases")

    def _by_rule(self, envelope: Envelope, recipient: LeasedRecipient) -> Decision:
        rules = envelope.submitter.rules
        section = f"[submitter {rules}]"
        if rules and rules not in self._sections:
            return Decision(hops=(ways.NOWHERE,), by=section)
        if own := self._sections.get(rules):
            return Decision(hops=(own,), by=section)
        if not self._routes:
            return Decision(hops=(self._default,), by="[queue] relay")
        to = Parts(recipient.forward_path)
        route = self._route(to, Parts(envelope.reverse_path or ""), envelope.submitter)
        if route is None:
            return Decision(hops=(self._default,), by="[queue] relay")
        hops = route.hops(envelope.queue_id, to)
        return Decision(hops=hops, by=f"[route {route.name}]")

    def priority(self, submission: Submission) -> Priority:
        """Return the share of the turns that new mail gets."""
        own = self._shares.get(submission.submitter.rules, Priority.NORMAL)
        if own is not Priority.NORMAL or not self._weighs:
            return own
        sender = Parts(submission.reverse_path or "")
        found = {
            route.priority
            for path in submission.recipients
            if (route := self._route(Parts(path), sender, submission.submitter))
        }
        return next((each for each in Priority if each in found), Priority.NORMAL)

    def _route(
        self, recipient: Parts, sender: Parts, submitter: Submitter
    ) -> Route | None:
        for route in self._routes:
            if route.fits(recipient, sender, submitter):
                return route
        return None
