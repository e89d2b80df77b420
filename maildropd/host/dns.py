# SPDX-License-Identifier: Apache-2.0
"""What DNS says about a domain: asked by dnspython, within a time limit.

"There is none" and "nobody could tell" are kept apart: the first fails mail,
the second makes it wait.  The library takes a while to load, so that it is
loaded with the first question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

_USUAL_PORT = 53


class NameTrouble(Exception):
    """Nobody could tell; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a domain, and for how long."""

    exists: bool
    exchanges: tuple[tuple[int, str], ...] = ()  # preference and host, "." for none
    has_address: bool = False  # only asked where there are no exchanges
    ttl: timedelta = timedelta(0)


class Resolver:
    """Asks the name servers of resolv.conf(5), which is read anew each time."""

    def __init__(
        self,
        limit: timedelta = timedelta(seconds=30),
        servers: Sequence[str] = (),
        port: int = _USUAL_PORT,
    ) -> None:
        """Give each question so long; ask other servers than usual if told."""
        self.limit = limit
        self._servers = list(servers)
        self._port = port

    def mail_exchange(self, domain: str) -> Answer:
        """Return where a domain takes mail; raise ``NameTrouble``.

        A name that cannot be one in DNS does not exist.
        """
        found = self._ask(domain, "MX")
        if found is None:
            return Answer(exists=False)
        ttl = timedelta(seconds=found.chaining_result.minimum_ttl)
        exchanges = tuple(
            (int(each.preference), each.exchange.to_text())
            for each in found.rrset or ()
        )
        answer = Answer(exists=True, exchanges=exchanges, ttl=ttl)
        if exchanges:
            return answer
        return replace(answer, has_address=self._has_address(domain))

    def _has_address(self, domain: str) -> bool:
        return any(
            found is not None and bool(found.rrset)
            for found in (self._ask(domain, kind) for kind in ("A", "AAAA"))
        )

    def _ask(self, domain: str, kind: str) -> Any:
        """Return the library's answer; None if there is no such name."""
        # Only where a route says mx, and then once: see above.
        import dns.exception  # noqa: PLC0415 - see above
        import dns.name  # noqa: PLC0415 - see above
        import dns.resolver  # noqa: PLC0415 - see above

        try:
            name = dns.name.from_text(domain)
        except (dns.exception.DNSException, UnicodeError):
            return None
        try:
            asked = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                asked.nameservers, asked.port = self._servers, self._port
            return asked.resolve(
                name,
                kind,
                raise_on_no_answer=False,
                search=False,
                lifetime=self.limit.total_seconds(),
            )
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise NameTrouble(_short(error)) from error


def _short(error: Exception) -> str:
    """Return the last reason of a text that tells of each server in turn."""
    return str(error).rpartition("; ")[2] or type(error).__name__
