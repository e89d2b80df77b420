# SPDX-License-Identifier: Apache-2.0
"""``[route NAME]``: every key of a rule that says where mail goes.

See config/model.py for the other sections, and for how keys become fields.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from maildropd.config.relay import RelayConfig
from maildropd.mail.envelope import Priority
from maildropd.mail.reply import Reply

Patterns = NewType("Patterns", tuple[str, ...])
"""Addresses, domains and expressions: see config/pattern.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One relay of several; the lowest preference first, as with MX (RFC 5321 5.1)."""

    relay: str
    preference: int
    weight: int = 1  # how much of the mail, beside others of the same preference


Shares = NewType("Shares", tuple[Share, ...])
"""``a, b`` in this order, or ``a:10, b:10:3``: NAME:PREFERENCE:WEIGHT."""

ANY_SERVER = RelayConfig(name="mx", tls_verify=False, max_connections=2)
"""How we speak to servers that only DNS names, if no section says it.

Whoever could forge the certificate could forge the name, too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """``[route NAME]``: what mail is meant, and where it goes; the first counts."""

    name: str
    recipient: Patterns = Patterns(())
    sender: Patterns = Patterns(())
    submitter: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    relay: Shares = Shares(())
    mx: str = ""  # yes, or the [relay NAME] that says how
    discard: bool = False
    error: Reply | None = None
    capture: Path | None = None

    @property
    def by_mx(self) -> bool:
        """Tell whether DNS knows the servers."""
        return self.mx not in ("", "no")

    @property
    def template(self) -> str:
        """The section that says how such servers are spoken to; empty: none does."""
        return "" if self.mx in ("", "no", "yes") else self.mx
