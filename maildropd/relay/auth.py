# SPDX-License-Identifier: Apache-2.0
"""Proving who we are (RFC 4954), without telling anybody else.

No secret goes over a connection in clear unless that was allowed, and none
gets into an error: what a server repeats of it is cut out of its reply.
"""

import base64
import binascii
import hmac
from collections.abc import Generator

from maildropd.config.relay import Auth, RelayConfig
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.reply import Reply
from maildropd.relay.login import Login
from maildropd.relay.wire import OUT_OF_STEP, ConnectionLost, Said, Wire

# Under TLS a password may be said as it is; only a server that has nothing
# better gets to store it in a form that CRAM-MD5 needs.
_UNDER_TLS = (Auth.PLAIN, Auth.LOGIN, Auth.CRAM_MD5)
_IN_CLEAR = (Auth.CRAM_MD5, Auth.PLAIN, Auth.LOGIN)
_PART = 8  # characters of a secret that nobody says by chance


def authenticate(wire: Wire, login: Login, config: RelayConfig) -> None:
    """Log in, or raise ``RouteError`` or ``RouteMisconfigured``."""
    mechanism = choose(wire, config)
    wire.step("AUTH", config.command_timeout)
    try:
        code, text = _converse(wire, mechanism, login)
    except ConnectionLost as error:
        if error.reply.status != OUT_OF_STEP:
            raise
        # What came is quoted there, and may be our own words, in part.
        raise wire.lost("not a reply (withheld)", OUT_OF_STEP) from None
    if code == 235:
        return
    reply = _without_secrets(Reply.parse(code, text), login)
    if reply.permanent:  # 535, 534, 538...: wrong until somebody changes something
        raise RouteMisconfigured(reply.text, reply)
    if reply.transient:
        raise RouteError(reply.text, reply)
    why = "no end of AUTH"
    raise RouteError(why, Reply(451, "4.5.0", why))


def choose(wire: Wire, config: RelayConfig) -> Auth:
    """Return the mechanism to use, or raise ``RouteMisconfigured``."""
    if "auth" not in wire.esmtp_features:
        raise _wrong("the server does not offer AUTH, but a username is set")
    if not (wire.encrypted or config.auth_in_clear):
        raise _wrong("AUTH only in clear, and auth_in_clear is not set")
    offered = wire.esmtp_features["auth"].lower().split()
    order = _UNDER_TLS if wire.encrypted else _IN_CLEAR
    wanted = order if config.auth is Auth.AUTO else (config.auth,)
    for mechanism in wanted:
        if mechanism in offered:
            return mechanism
    words = ", ".join(wanted)
    raise _wrong(f"the server offers none of the AUTH mechanisms {words}")


def _converse(wire: Wire, mechanism: Auth, login: Login) -> Said:
    words = _words(mechanism, login)
    wire.put(b"AUTH " + next(words) + b"\r\n")
    code, text = wire.getreply()
    while code == 334:
        try:
            answer = words.send(text)
        except StopIteration:  # asked for more than the mechanism has
            return code, text
        wire.put(answer + b"\r\n")
        code, text = wire.getreply()
    return code, text


def _words(mechanism: Auth, login: Login) -> Generator[bytes, bytes, None]:
    """Yield what we say, and take what the server answers, up to its verdict."""
    user, password = login.username.encode(), login.password.encode()
    match mechanism:
        case Auth.LOGIN:
            yield b"LOGIN"
            yield base64.b64encode(user)
            yield base64.b64encode(password)
        case Auth.CRAM_MD5:
            challenge = _challenge((yield b"CRAM-MD5"))
            digest = hmac.new(password, challenge, "md5").hexdigest()
            yield base64.b64encode(user + b" " + digest.encode())
        case _:
            token = base64.b64encode(b"\0" + user + b"\0" + password)
            yield b"PLAIN " + token
            yield token  # for a server that asks in spite of the initial response


def _challenge(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        why = "the challenge of CRAM-MD5 is not base64"
        raise RouteError(why, Reply(451, "4.5.0", why)) from error


def _without_secrets(reply: Reply, login: Login) -> Reply:
    user, password = login.username.encode(), login.password.encode()
    encoded = (password, b"\0" + user + b"\0" + password)
    secrets = [login.password, *(base64.b64encode(s).decode() for s in encoded)]
    if any(_repeats(reply.text, secret) for secret in secrets):
        text = "(text withheld: it repeats the secret)"
    else:
        text = f"{reply.text} (in reply to AUTH)"
    return Reply(reply.code, reply.status, text)


def _repeats(text: str, secret: str) -> bool:
    """Tell whether a part of a secret is in a text: servers cut what they quote."""
    text, secret = text.casefold(), secret.casefold()
    parts = range(max(len(secret) - _PART, 0) + 1)
    return bool(secret) and any(secret[at : at + _PART] in text for at in parts)


def _wrong(why: str) -> RouteMisconfigured:
    return RouteMisconfigured(why, Reply(451, "4.7.0", why))
