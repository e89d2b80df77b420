# SPDX-License-Identifier: Apache-2.0
"""Whether an address is among those a route is for, however many those are."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from maildropd.config.pattern import Kind, folded, meant


class Matcher:
    """Words of ``recipient`` or ``sender``; ``None`` is the null reverse-path."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take words that are right."""
        found = defaultdict[Kind, set[str]](set)
        for word in words:
            kind, what = meant(word)
            found[kind].add(what)
        self._found = found
        self._expressions = [
            re.compile(each, re.IGNORECASE) for each in found[Kind.EXPRESSION]
        ]

    def fits(self, address: str | None) -> bool:
        """Tell whether one of the words means this address."""
        found = self._found
        if found[Kind.ALL]:
            return True
        if address is None:
            return bool(found[Kind.NOBODY])
        user, _, domain = address.rpartition("@")
        user, domain = user.lower(), folded(domain)
        return (
            domain in found[Kind.DOMAIN]
            or f"{user}@{domain}" in found[Kind.ADDRESS]
            or f"{user}@" in found[Kind.USER]
            or any(above in found[Kind.BELOW] for above in _above(domain))
            or any(each.search(address) for each in self._expressions)
        )


def _above(domain: str) -> Iterator[str]:
    while domain:
        _, _, domain = domain.partition(".")
        yield domain
