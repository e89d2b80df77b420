# SPDX-License-Identifier: Apache-2.0
"""What an OAuth endpoint says: a token with its end, or why there is none."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from maildropd.mail.reply import Reply
from maildropd.relay.identity.quoting import repeats

_TOKEN = re.compile(r"[!-~]{1,8192}")  # one AUTH command holds no more
_UNSAID = timedelta(minutes=10)  # how long a token lives that does not say so
_OLDEST = timedelta(days=3650)
_ERROR = re.compile(r"[a-z_]{1,40}")
_TOLD = 200  # characters of a description

_CLIENT = "see oauth_client_id and the client's secret, which may have ended"
_REMEDIES: Mapping[str, str] = {  # RFC 6749 section 5.2
    "invalid_grant": "log in anew, and put in the refresh token that you get",
    "invalid_client": _CLIENT,
    "unauthorized_client": _CLIENT,
    "invalid_scope": "see oauth_scope",
    "unsupported_grant_type": "see oauth_grant",
    "invalid_request": "see the oauth keys of the relay",
}


class TokenTrouble(Exception):
    """There is no token; ``final`` if only a person can change that."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        """Say why, in words without secrets."""
        super().__init__(text)
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A token as it was given out."""

    token: str = field(repr=False)
    lives: timedelta
    refresh_token: str = field(default="", repr=False)  # a newer one, if any


def understood(host: str, status: int, body: bytes, secrets: Sequence[str]) -> Answer:
    """Return what an answer means; raise ``TokenTrouble`` if it gives nothing."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise TokenTrouble(f"{host}: answers {status}, and no JSON")
    if status == 200 and "error" not in said:
        return _given(host, said)
    raise _refusal(host, status, said, secrets)


def usable(token: object) -> bool:
    """Tell whether this can be a token, and said in one AUTH command."""
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def _given(host: str, said: Mapping[str, Any]) -> Answer:
    token, newer = said.get("access_token"), said.get("refresh_token", "")
    kind = said.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenTrouble(f"{host}: the token it gives is of no kind for mail")
    if not usable(token) or (newer and not usable(newer)):
        raise TokenTrouble(f"{host}: what it gives is no token")
    return Answer(token=str(token), lives=_lives(said), refresh_token=newer or "")


def _lives(said: Mapping[str, Any]) -> timedelta:
    """Some say it as text."""
    try:
        seconds = float(said.get("expires_in", math.nan))
    except (TypeError, ValueError, OverflowError):
        return _UNSAID
    if not 1 <= seconds < math.inf:
        return _UNSAID
    return min(timedelta(seconds=min(seconds, 1e9)), _OLDEST)


def _refusal(
    host: str, status: int, said: Mapping[str, Any], secrets: Sequence[str]
) -> TokenTrouble:
    error, more = said.get("error"), said.get("error_description")
    if not isinstance(error, str) or not _ERROR.fullmatch(error):
        return TokenTrouble(f"{host}: answers {status}, and no token")
    text = f"{host}: {error}"
    if isinstance(more, str) and more:
        told = Reply.parse(400, more).text[:_TOLD].strip()
        text += "" if repeats(more, secrets) or not told else f", {told}"
    remedy = _REMEDIES.get(error) if 400 <= status < 500 else None
    if remedy:
        text += f" ({remedy})"
    return TokenTrouble(text, final=remedy is not None)
