# SPDX-License-Identifier: Apache-2.0
"""Who we are at a relay, and the secret that proves it."""

import threading
from dataclasses import dataclass, field
from typing import Protocol

from maildropd.relay.base import Alive
from maildropd.relay.identity.scram import SaltedPassword


class Tokens(Protocol):
    """Where OAuth's access tokens come from; shared by all connections."""

    def token(self, alive: Alive) -> str:
        """Return a token that is thought to be good.

        Raise ``RouteError`` if none can be had now, ``RouteMisconfigured`` if
        only a person can help.
        """
        ...

    def refused(self, token: str) -> bool:
        """Note that the relay did not take it; tell whether another may be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name, and its password or a source of tokens; neither ever shows."""

    username: str
    password: str = field(default="", repr=False)
    tokens: Tokens | None = field(default=None, repr=False)
    salted: SaltedPassword = field(init=False, repr=False, compare=False)
    # Set once the server turned out to know none of our ways to bind to TLS.
    unbound: threading.Event = field(
        default_factory=threading.Event, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Prepare what SCRAM makes of the password, once for all connections."""
        object.__setattr__(self, "salted", SaltedPassword(self.password))
