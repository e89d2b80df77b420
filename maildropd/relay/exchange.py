# SPDX-License-Identifier: Apache-2.0
"""Which servers take the mail of a domain, in which order (RFC 5321 5.1).

What DNS says is kept for as long as it says; that it says nothing is not kept.
A domain that takes no mail fails its recipients; all other trouble waits.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import groupby
from typing import Protocol

from maildropd.config.pattern import folded
from maildropd.host.clock import Clock
from maildropd.host.dns import Answer, NameTrouble
from maildropd.mail.errors import PermanentError, RouteError
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive

_REMEMBERED = 5000
_SHORTEST = timedelta(seconds=5)
_LONGEST = timedelta(hours=1)
_QUESTIONS = 3  # MX, A and AAAA
_HOSTS = 20
_LITERAL = re.compile(
    r"\[(?:(?:IPv6:)?([0-9a-f:.]*:[0-9a-f:.]*)|([0-9.]+))\]", re.IGNORECASE
)


class NoMailThere(PermanentError):
    """The domain takes no mail; ``reply`` says why."""


class Names(Protocol):
    """Knows what DNS says: host/dns.py."""

    @property
    def limit(self) -> timedelta:
        """How long a question may take."""
        ...

    def mail_exchange(self, domain: str) -> Answer:
        """Return what is said of a domain; raise ``NameTrouble``."""
        ...


class Exchanges:
    """Answers for all lanes of a configuration; callable from any thread."""

    def __init__(
        self,
        names: Names,
        own: Collection[str],
        shuffle: Callable[[list[str]], None],
        clock: Clock,
    ) -> None:
        """Take who can be asked, and the names of this host."""
        self._names = names
        self._own = frozenset(map(folded, own))
        self._shuffle = shuffle
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[timedelta, Answer]] = OrderedDict()

    def of(self, domain: str, alive: Alive) -> list[str]:
        """Return hosts, the best first; raise ``NoMailThere`` or ``RouteError``."""
        if domain.startswith("["):
            return [_address(domain)]
        answer = self._answer(domain, alive)
        if not answer.exists:
            raise _none(domain, "5.1.2", "there is no such domain")
        if not answer.exchanges:
            if not answer.has_address:
                raise _none(domain, "5.1.2", "it has neither MX nor address")
            if domain in self._own:
                raise _none(domain, "5.4.6", "its mail would come back to this host")
            return [domain]
        hosts = self._in_order(answer)
        if not hosts:
            if all(host == "." for _, host in answer.exchanges):
                raise _none(domain, "5.1.10", "it takes no mail (null MX)")
            raise _none(domain, "5.4.6", "its mail would come back to this host")
        return hosts[:_HOSTS]

    def _in_order(self, answer: Answer) -> list[str]:
        """Sort by preference; what is not better than ourselves is left out."""
        named = sorted((at, folded(host)) for at, host in answer.exchanges)
        own = min((at for at, host in named if host in self._own), default=1 << 16)
        hosts: list[str] = []
        for _, equal in groupby(named, key=lambda each: each[0]):
            some = [host for at, host in equal if host and at < own]
            self._shuffle(some)
            hosts += some
        return list(dict.fromkeys(hosts))

    def _answer(self, domain: str, alive: Alive) -> Answer:
        now = self._clock.monotonic()
        with self._lock:
            until, known = self._known.get(domain, (now, None))
        if known is not None and now < until:
            return known
        alive(self._names.limit * _QUESTIONS)
        try:
            answer = self._names.mail_exchange(domain)
        except NameTrouble as error:
            why = f"{domain}: its servers cannot be looked up ({error})"
            raise RouteError(why, Reply(451, "4.4.3", why)) from error
        until = now + min(max(answer.ttl, _SHORTEST), _LONGEST)
        with self._lock:
            self._known.pop(domain, None)
            self._known[domain] = (until, answer)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return answer


def _address(literal: str) -> str:
    """Return the address of ``[192.0.2.1]`` (RFC 5321 4.1.3)."""
    found = _LITERAL.fullmatch(literal)
    if not found:
        raise _none(literal, "5.1.2", "it is no address")
    return found[1] or found[2]


def _none(domain: str, status: str, why: str) -> NoMailThere:
    text = f"{domain or 'no domain'}: {why}"
    return NoMailThere(text, Reply(556 if status == "5.1.10" else 550, status, text))
