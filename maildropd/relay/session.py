# SPDX-License-Identifier: Apache-2.0
"""A connection made ready: greeted, encrypted as demanded, logged in.

Whatever goes wrong here says nothing about any message: it is a
``RouteError``, and the mail waits.
"""

import ssl
from dataclasses import dataclass

from maildropd.config.relay import Protocol, RelayConfig, Tls
from maildropd.mail.errors import RouteError
from maildropd.mail.reply import Reply
from maildropd.relay.connect import RESOLVER_LIMIT, connect
from maildropd.relay.identity.auth import authenticate
from maildropd.relay.identity.login import Login
from maildropd.relay.identity.signing import Signer
from maildropd.relay.tls import encrypt
from maildropd.relay.wire import OUT_OF_STEP, ConnectionLost, Said, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are, and to whom we speak how."""

    config: RelayConfig
    hostname: str  # said in EHLO
    login: Login | None = None
    signer: Signer | None = None


def open_session(wire: Wire, who: Identity, context: ssl.SSLContext | None) -> None:
    """Connect a wire, and make it ready for MAIL; or raise ``RouteError``."""
    config = who.config
    wire.alive(config.connect_timeout + RESOLVER_LIMIT)
    wire.step("connect", config.connect_timeout)
    try:
        connect(wire, config)
        _greet(wire, config, context)
        if who.login is not None:
            authenticate(wire, who.login, config)
        if wire.unprompted():
            raise wire.lost("the server closes, or speaks unasked", OUT_OF_STEP)
    except ConnectionLost as error:
        raise RouteError(error.reply.text, error.reply) from error


def _greet(wire: Wire, config: RelayConfig, context: ssl.SSLContext | None) -> None:
    if config.tls is Tls.IMPLICIT and context is not None:
        wire.step("TLS handshake", config.command_timeout)
        encrypt(wire, context, config.host, config.tls_fingerprint)
    wire.step("greeting", config.greeting_timeout)
    _demand(wire, wire.getreply())
    _hello(wire, config)
    starts = config.tls in (Tls.OPPORTUNISTIC, Tls.REQUIRED) and not config.socket
    if starts and context is not None:
        _start_tls(wire, config, context)


def _hello(wire: Wire, config: RelayConfig) -> None:
    local = config.protocol is Protocol.LMTP
    wire.ehlo_msg = "lhlo" if local else "ehlo"  # the verb that ehlo() says
    wire.step(wire.ehlo_msg.upper(), config.command_timeout)
    said = wire.ehlo()
    if local or said[0] == 421 or said[0] < 500:
        _demand(wire, said)
    else:  # from before 1995, or a firewall that thinks so (RFC 5321 3.2)
        wire.step("HELO", config.command_timeout)
        _demand(wire, wire.helo())


def _start_tls(wire: Wire, config: RelayConfig, context: ssl.SSLContext) -> None:
    if not wire.has_extn("starttls"):
        if config.tls is Tls.OPPORTUNISTIC:
            return
        why = "the server does not offer STARTTLS, and tls = required"
        raise RouteError(why, Reply(451, "4.7.4", why))
    # From here on there is no way back to clear: whoever can break a
    # handshake could read the mail (RFC 3207 section 6).
    wire.step("STARTTLS", config.command_timeout)
    wire.putcmd("STARTTLS")
    _demand(wire, wire.getreply())
    encrypt(wire, context, config.host, config.tls_fingerprint)
    _hello(wire, config)


def _demand(wire: Wire, said: Said) -> None:
    reply = Reply.parse(*said)
    if 300 <= reply.code < 400:
        raise wire.lost(f"unexpected reply {reply.code}", OUT_OF_STEP)
    if reply.code >= 400:
        text = f"{reply.text} (in reply to {wire.doing})"
        raise RouteError(text, Reply(reply.code, reply.status, text))
