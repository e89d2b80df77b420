# SPDX-License-Identifier: Apache-2.0
"""One [route NAME] section, made ready to be asked for each recipient."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from maildropd.config.routes import RouteConfig
from maildropd.mail.envelope import Submitter
from maildropd.route import shares, ways
from maildropd.route.base import NextHop, Way
from maildropd.route.matcher import Matcher, Parts


class Route:
    """Knows which mail it is for, and where that goes."""

    def __init__(self, config: RouteConfig, relays: Mapping[str, NextHop]) -> None:
        """Look up what can be; ``relays`` are the ways to all there are."""
        self.name = config.name
        self.priority = config.priority
        self._config = config
        self._relays = relays
        self._recipient = Matcher(config.recipient) if config.recipient else None
        self._sender = Matcher(config.sender) if config.sender else None
        self._submitter = config.submitter
        self._here = _here(config)

    @property
    def lasting(self) -> Sequence[NextHop]:
        """Its ways that are there by themselves: domains' own servers are not."""
        if self._here:
            return (self._here,)
        return [self._relays[each.relay] for each in self._config.relay]

    def fits(self, recipient: Parts, sender: Parts, submitter: Submitter) -> bool:
        """Tell whether it is for this recipient: all that it says must fit."""
        return (
            (self._recipient is None or self._recipient.fits(recipient))
            and (self._sender is None or self._sender.fits(sender))
            and (not self._submitter or _is_of(submitter, self._submitter))
        )

    def hops(self, queue_id: str, recipient: Parts) -> tuple[NextHop, ...]:
        """Return where the recipient goes, the best first."""
        if self._here:
            return (self._here,)
        if self._config.by_mx:
            return (ways.of_domain(self._config.template, recipient.domain),)
        names = shares.ordered(self._config.relay, queue_id)
        return tuple(self._relays[name] for name in names)


def _here(config: RouteConfig) -> NextHop | None:
    if config.discard:
        return ways.of_route(Way.DISCARD, config.name)
    if config.error:
        return ways.of_route(Way.ERROR, config.name)
    return ways.of_capture(config.capture)


def _is_of(submitter: Submitter, words: Sequence[str]) -> bool:
    known = (submitter.rules, submitter.name, f"uid={submitter.uid}")
    unit = submitter.unit or ""
    return any(
        word in known or (unit and "." in word and fnmatchcase(unit, word))
        for word in words
    )
