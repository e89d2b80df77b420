# SPDX-License-Identifier: Apache-2.0
"""OAuth's access tokens: renewed before they end, and an alarm before they are gone.

All connections to a relay share one source, and the first that needs a new
token asks for it while the others wait.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from maildropd.host import credentials
from maildropd.host.clock import Clock
from maildropd.host.credentials import SecretUnavailable
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.event import Journal
from maildropd.mail.identity_events import (
    TokenAtRisk,
    TokenNotKept,
    TokenRenewed,
    TokenRevoked,
)
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive
from maildropd.relay.connect import RESOLVER_LIMIT
from maildropd.relay.identity.token_answer import Answer, TokenTrouble, usable
from maildropd.relay.identity.token_request import LIMIT
from maildropd.relay.identity.token_state import Kept, TokenState

_AHEAD = timedelta(minutes=10)  # renew this long before the end
_PAUSE = timedelta(seconds=30)  # between two requests, when the first failed
_FRESH = timedelta(minutes=1)  # a token so new is not to blame for a refusal
_LIMIT = timedelta(seconds=LIMIT) + RESOLVER_LIMIT


class Source(Protocol):
    """Who gives out tokens."""

    def ask(self, refresh_token: str) -> Answer:
        """Return a new one, or raise ``TokenTrouble``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """One access token, by the queue's clock."""

    text: str = field(repr=False)
    got: datetime
    ends: datetime

    @property
    def renew(self) -> datetime:
        """Return when to ask for the next one."""
        return self.ends - min(_AHEAD, (self.ends - self.got) / 4)


class RenewedTokens:
    """Tokens from an endpoint; see ``login.Tokens`` for the contract."""

    def __init__(
        self,
        relay: str,
        source: Source,
        state: TokenState,
        clock: Clock,
        journal: Journal,
    ) -> None:
        """Take what is needed; nothing is asked for before it is used."""
        self._relay = relay
        self._source = source
        self._state = state
        self._clock = clock
        self._journal = journal
        self._lock = threading.Lock()
        self._present: _Token | None = None
        self._refused = ""
        self._unkept = ""  # a refresh token that could not be written
        self._trouble: TokenTrouble | None = None
        self._again = timedelta(0)  # not before: the last request failed
        self._told = ""

    def token(self, alive: Alive) -> str:
        """Return the present one, or a new one if it ends soon."""
        alive(2 * _LIMIT)  # another may be at it, by the former configuration
        with self._lock:
            if self._present is None:
                self._recall()
            found, now = self._present, self._clock.now()
            if found and now < found.renew:
                return found.text
            if self._clock.monotonic() >= self._again:
                with self._state.alone():
                    self._renew()
                found = self._present
            if found and now < found.ends:
                return found.text
            raise _no_token(self._trouble)

    def refused(self, token: str) -> bool:
        """Forget the token, unless it is too new to be the reason."""
        with self._lock:
            found = self._present
            if found is None or found.text != token:
                return True  # another connection was told so before
            if self._clock.now() - found.got < _FRESH:
                return False
            self._present, self._refused = None, token
            return True

    def _recall(self) -> Kept:
        """Take what a former run, or one before a reload, has left."""
        kept, now = self._state.load(), self._clock.now()
        if kept.token and kept.ends and kept.token != self._refused:
            ends = now + (kept.ends - self._clock.wall())
            if self._present is None or self._present.ends < ends:
                # When it was given out is not known; long enough ago.
                got = now - 4 * _AHEAD
                self._present = _Token(text=kept.token, got=got, ends=ends)
        return kept

    def _renew(self) -> None:
        kept = self._recall()
        now = self._clock.now()
        if self._present and now < self._present.renew:
            return  # another asked, with the configuration of before a reload
        refresh = self._unkept or kept.refresh_token
        try:
            answer = self._source.ask(refresh)
        except TokenTrouble as trouble:
            self._failed(trouble)
            return
        self._present = _Token(text=answer.token, got=now, ends=now + answer.lives)
        self._trouble = None
        self._keep(answer, refresh)
        if self._told:
            self._told = ""
            self._journal.emit(TokenRenewed(relay=self._relay))

    def _failed(self, trouble: TokenTrouble) -> None:
        self._trouble = trouble
        self._again = self._clock.monotonic() + _PAUSE
        found, now = self._present, self._clock.now()
        if self._told == str(trouble) or found is None or found.ends <= now:
            return  # where there is no token any more, the route fails, and tells why
        self._told = str(trouble)
        kind = TokenRevoked if trouble.final else TokenAtRisk
        ends = self._clock.wall() + (found.ends - now)
        self._journal.emit(kind(relay=self._relay, reason=self._told, ends=ends))

    def _keep(self, answer: Answer, refresh: str) -> None:
        newest = answer.refresh_token or refresh
        ends = self._clock.wall() + answer.lives
        try:
            self._state.keep(Kept(refresh_token=newest, token=answer.token, ends=ends))
            self._unkept = ""
        except OSError as error:
            if newest != refresh:
                self._unkept = newest
                reason = error.strerror or str(error)
                self._journal.emit(TokenNotKept(relay=self._relay, reason=reason))


class TokenFile:
    """A token that somebody else keeps fresh; read at each use."""

    def __init__(self, path: Path) -> None:
        """Take its place."""
        self._path = path

    def token(self, alive: Alive) -> str:
        """Return what stands there now."""
        alive(_PAUSE)
        try:
            found = credentials.of_file(self._path)
        except SecretUnavailable as error:
            raise _no_token(TokenTrouble(f"token_file {error}", final=True)) from error
        if not usable(found):
            why = f"token_file {self._path}: what stands there is no token"
            raise _no_token(TokenTrouble(why, final=True))
        return found

    def refused(self, token: str) -> bool:
        """Tell whether another one stands there meanwhile."""
        try:
            return credentials.of_file(self._path) != token
        except SecretUnavailable:
            return False


def _no_token(trouble: TokenTrouble | None) -> RouteError:
    why = f"no token: {trouble or 'none was given'}"
    kind = RouteMisconfigured if trouble and trouble.final else RouteError
    return kind(why, Reply(451, "4.7.0", why))
