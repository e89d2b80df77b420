# SPDX-License-Identifier: Apache-2.0
"""Which SASL mechanism is used: the best of those that both sides have."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from maildropd.config.relay import Auth, RelayConfig
from maildropd.mail.errors import RouteMisconfigured
from maildropd.mail.reply import Reply
from maildropd.relay.identity import sasl
from maildropd.relay.identity.binding import binding
from maildropd.relay.identity.login import Login
from maildropd.relay.identity.scram import Binding, Scram
from maildropd.relay.wire import Wire

# SCRAM shows the password to nobody.  Under TLS it may also be said as it is;
# only a server that has nothing better gets to store it in a form that
# CRAM-MD5 needs.
_UNDER_TLS = (
    Auth.SCRAM_SHA_256_PLUS,
    Auth.SCRAM_SHA_256,
    Auth.PLAIN,
    Auth.LOGIN,
    Auth.CRAM_MD5,
)
_IN_CLEAR = (Auth.SCRAM_SHA_256, Auth.CRAM_MD5, Auth.PLAIN, Auth.LOGIN)
_WITH_TOKENS = (Auth.OAUTHBEARER, Auth.XOAUTH2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A mechanism, and what it needs of the connection."""

    auth: Auth
    config: RelayConfig
    binding: Binding = field(default_factory=Binding)
    token: str = field(default="", repr=False)

    @property
    def free(self) -> bool:
        """Tell whether it was ours to choose."""
        return self.config.auth is Auth.AUTO

    def without_binding(self) -> "Choice":
        """Return SCRAM as it is where TLS has nothing to bind to."""
        return replace(self, auth=Auth.SCRAM_SHA_256, binding=Binding())


def choose(wire: Wire, login: Login, config: RelayConfig) -> Choice:
    """Return the mechanism to use, or raise ``RouteMisconfigured``."""
    if "auth" not in wire.esmtp_features:
        raise _wrong("the server does not offer AUTH, but a username is set")
    if not (wire.encrypted or config.auth_in_clear):
        raise _wrong("AUTH only in clear, and auth_in_clear is not set")
    offered = wire.esmtp_features["auth"].lower().split()
    bound = binding(wire.sock)
    auth = _best(_order(wire, login, config, bound), offered)
    choice = Choice(auth=auth, config=config)
    match auth:
        case Auth.SCRAM_SHA_256_PLUS:
            if bound is None:
                raise _wrong(f"{auth}: this TLS has nothing to bind to")
            return replace(choice, binding=bound)
        # Say that we could have, unless it was offered: then it was our choice.
        case Auth.SCRAM_SHA_256 if bound and Auth.SCRAM_SHA_256_PLUS not in offered:
            return replace(choice, binding=Binding(flag="y"))
        case _:
            return choice


def _order(
    wire: Wire, login: Login, config: RelayConfig, bound: Binding | None
) -> Sequence[Auth]:
    if config.auth is not Auth.AUTO:
        return (config.auth,)
    if login.tokens:
        return _WITH_TOKENS
    if not wire.encrypted:
        return _IN_CLEAR
    return _UNDER_TLS if bound and not login.unbound.is_set() else _UNDER_TLS[1:]


def _best(order: Sequence[Auth], offered: Sequence[str]) -> Auth:
    for auth in order:
        if auth in offered:
            return auth
    words = ", ".join(order)
    raise _wrong(f"the server offers none of the AUTH mechanisms {words}")


def mechanism(choice: Choice, login: Login) -> sasl.Mechanism:
    """Make what speaks a mechanism, for one attempt."""
    user, password = login.username.encode(), login.password.encode()
    token, config = choice.token.encode(), choice.config
    match choice.auth:
        case Auth.LOGIN:
            return sasl.LoginWords(user, password)
        case Auth.CRAM_MD5:
            return sasl.CramMd5(user, password)
        case Auth.SCRAM_SHA_256 | Auth.SCRAM_SHA_256_PLUS:
            scram = Scram(login.username, login.salted, choice.binding)
            return sasl.ScramSha256(scram)
        case Auth.OAUTHBEARER:
            return sasl.oauthbearer(user, token, config.host, config.real_port)
        case Auth.XOAUTH2:
            return sasl.xoauth2(user, token)
        case _:
            return sasl.Plain(user, password)


def _wrong(why: str) -> RouteMisconfigured:
    return RouteMisconfigured(why, Reply(451, "4.7.0", why))
