# SPDX-License-Identifier: Apache-2.0
"""Whether an address is among those a route is for, however many those are."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from maildropd.config.pattern import Kind, folded, meant


@dataclass(slots=True)
class Parts:
    """An address taken apart once for all routes; empty is the null reverse-path."""

    address: str
    user: str = ""  # with its @
    domain: str = ""
    whole: str = ""
    above: list[str] = field(default_factory=list)  # the domains it is below

    def __post_init__(self) -> None:
        """Take it apart, in lower case."""
        user, _, self.domain = self.address.rpartition("@")
        self.user, self.domain = f"{user.lower()}@", folded(self.domain)
        self.whole = self.user + self.domain
        _, _, rest = self.domain.partition(".")
        while rest:
            self.above.append(rest)
            _, _, rest = rest.partition(".")


class Matcher:
    """Words of ``recipient`` or ``sender``."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take words that are right."""
        found: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        for word in words:
            kind, what = meant(word)
            found[kind].add(what)
        self._all = bool(found[Kind.ALL])
        self._nobody = bool(found[Kind.NOBODY])
        self._domains = found[Kind.DOMAIN]
        self._names = found[Kind.ADDRESS] | found[Kind.USER]
        self._below = found[Kind.BELOW]
        self._expressions = [
            re.compile(each, re.IGNORECASE) for each in found[Kind.EXPRESSION]
        ]

    def fits(self, parts: Parts) -> bool:
        """Tell whether one of the words means this address."""
        if self._all:
            return True
        if not parts.address:
            return self._nobody
        return (
            parts.domain in self._domains
            or not self._names.isdisjoint((parts.whole, parts.user))
            or not self._below.isdisjoint(parts.above)
            or any(each.search(parts.address) for each in self._expressions)
        )
