# SPDX-License-Identifier: Apache-2.0
"""Proving who we are (RFC 4954), without telling anybody else.

No secret goes over a connection in clear unless that was allowed, and none
gets into an error: what a server repeats of it is cut out of its reply.
"""

import base64
from dataclasses import dataclass, field, replace

from maildropd.config.relay import Auth, RelayConfig
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.reply import Reply
from maildropd.relay.identity.login import Login
from maildropd.relay.identity.mechanisms import Choice, choose, mechanism
from maildropd.relay.identity.quoting import WITHHELD, repeats
from maildropd.relay.identity.sasl import Mechanism, NotSasl, Unproven
from maildropd.relay.wire import OUT_OF_STEP, ConnectionLost, Said, Wire


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One AUTH command, with all that was said in it that must not be repeated."""

    choice: Choice
    mechanism: Mechanism
    secrets: list[str] = field(repr=False)
    asked: bool = False  # the server went into it, before it said no

    def encoded(self, octets: bytes) -> bytes:
        """Return what goes over the wire, and remember it."""
        word = base64.b64encode(octets)
        self.secrets.append(word.decode())
        return word


def authenticate(wire: Wire, login: Login, config: RelayConfig) -> None:
    """Log in, or raise ``RouteError`` or ``RouteMisconfigured``."""
    choice = choose(wire, login, config)
    wire.step("AUTH", config.command_timeout)
    attempt = _attempt(wire, login, choice)
    reply = _refusal(wire, attempt)
    if reply and reply.permanent and (again := _otherwise(attempt, login)):
        attempt = _attempt(wire, login, again)
        reply = _refusal(wire, attempt)
    if reply is None:
        return
    reply = _without_secrets(reply, attempt)
    if reply.permanent:  # 535, 534, 538...: wrong until somebody changes something
        raise RouteMisconfigured(reply.text, reply)
    raise RouteError(reply.text, reply)


def _attempt(wire: Wire, login: Login, choice: Choice) -> _Attempt:
    token = login.tokens.token(wire.alive) if login.tokens else ""
    choice = replace(choice, token=token)
    wire.alive(wire.limit)
    password = login.password
    plain = f"\0{login.username}\0{password}" if password else ""
    # In the base64 of something longer a token has one of three faces.
    said = [password, plain, *(token[at:] for at in range(3))]
    encoded = [base64.b64encode(each.encode()).decode() for each in said]
    return _Attempt(
        choice=choice,
        mechanism=mechanism(choice, login),
        secrets=[password, token, *encoded],
    )


def _otherwise(attempt: _Attempt, login: Login) -> Choice | None:
    """Return what may still be tried after a no."""
    choice = attempt.choice
    if login.tokens and login.tokens.refused(choice.token):
        return choice
    # Which ways to bind it knows, a server cannot say; it says no at once.
    if choice.auth is Auth.SCRAM_SHA_256_PLUS and choice.free and not attempt.asked:
        login.unbound.set()
        return choice.without_binding()
    return None


def _refusal(wire: Wire, attempt: _Attempt) -> Reply | None:
    """Log in; return why not, in the server's words."""
    try:
        code, text = _converse(wire, attempt)
    except NotSasl as error:
        reply = Reply(451, "4.7.0", str(error))
        if isinstance(error, Unproven):
            raise RouteMisconfigured(reply.text, reply) from None
        raise RouteError(reply.text, reply) from None
    except ConnectionLost as error:
        if error.reply.status != OUT_OF_STEP:
            raise
        # What came is quoted there, and may be our own words, in part.
        raise wire.lost("not a reply (withheld)", OUT_OF_STEP) from None
    return _verdict(code, text, attempt)


def _verdict(code: int, text: bytes, attempt: _Attempt) -> Reply | None:
    trouble = attempt.mechanism.trouble
    if code == 235:
        if trouble:
            raise RouteMisconfigured(trouble, Reply(451, "4.7.0", trouble))
        return None
    reply = Reply.parse(code, text)
    if reply.code < 400:
        why = "no end of AUTH"
        raise RouteError(why, Reply(451, "4.5.0", why))
    if trouble and attempt.choice.token:
        return Reply(reply.code, reply.status, f"{reply.text} ({trouble})")
    return reply


def _converse(wire: Wire, attempt: _Attempt) -> Said:
    command = b"AUTH " + attempt.choice.auth.upper().encode()
    initial = attempt.mechanism.initial
    if initial is not None:
        command += b" " + attempt.encoded(initial)
    wire.put(command + b"\r\n")
    code, text = wire.getreply()
    while code == 334:
        attempt.asked = True
        answer = attempt.mechanism.respond(text)
        if answer is None:  # asked for more than the mechanism has
            break
        wire.put(attempt.encoded(answer) + b"\r\n")
        code, text = wire.getreply()
    return code, text


def _without_secrets(reply: Reply, attempt: _Attempt) -> Reply:
    if repeats(reply.text, attempt.secrets):
        text = WITHHELD
    else:
        text = f"{reply.text} (in reply to AUTH)"
    return Reply(reply.code, reply.status, text)
