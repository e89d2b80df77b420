# SPDX-License-Identifier: Apache-2.0
"""Where mail goes: by the section it was taken under, and by what aliases want run.

What was taken under a section that is gone waits: it may have been one that
captures, and its mail must not get out because somebody renamed it.
"""

from collections.abc import Iterator, Mapping

from maildropd.config.model import Config, SubmitterConfig
from maildropd.config.relay import RelayConfig
from maildropd.mail.envelope import Envelope
from maildropd.route.base import NextHop, Way
from maildropd.store.base import LeasedRecipient

COMMAND = NextHop(way=Way.COMMAND, relay="", destination="command")
FILE = NextHop(way=Way.FILE, relay="", destination="file")
NOWHERE = NextHop(way=Way.NOWHERE, relay="", destination="none")


class RulesRouter:
    """Knows the ways of one configuration."""

    def __init__(self, config: Config) -> None:
        """Look up each section's way once."""
        self._default = _of_relay(config.relay)
        self._runs = config.names.aliases_may_run
        relays = {
            relay.name: _of_relay(relay) for relay in (config.relay, *config.relays)
        }
        self._sections: Mapping[str, NextHop] = {
            each.name: _of_section(each, relays, self._default)
            for each in config.submitters
        }

    def hops(self) -> Iterator[NextHop]:
        """Yield every way there may be, each once."""
        local = (COMMAND, FILE) if self._runs else ()
        ways = (self._default, *self._sections.values(), *local, NOWHERE)
        yield from dict.fromkeys(ways)

    def next_hop(self, envelope: Envelope, recipient: LeasedRecipient) -> NextHop:
        """Return the way; what is captured goes nowhere else, commands included."""
        rules = envelope.submitter.rules
        hop = self._sections.get(rules, NOWHERE) if rules else self._default
        run = recipient.terms.run
        if not run or hop.way in (Way.CAPTURE, Way.NOWHERE):
            return hop
        if not self._runs:
            return NOWHERE
        return COMMAND if run.startswith("|") else FILE


def _of_relay(relay: RelayConfig) -> NextHop:
    return NextHop(relay=relay.name, destination=relay.destination)


def _of_section(
    section: SubmitterConfig, relays: Mapping[str, NextHop], default: NextHop
) -> NextHop:
    if section.capture is not None:
        maildir = f"maildir:{section.capture}"
        return NextHop(way=Way.CAPTURE, relay="", destination=maildir)
    return relays[section.relay] if section.relay else default
