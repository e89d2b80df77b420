# SPDX-License-Identifier: Apache-2.0
"""Tokens that outlive the daemon, in a file that nobody else can read.

An endpoint may hand out a new refresh token with each access token, and take
the old one no more: what is lost here, a person has to get anew.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maildropd.host import durable
from maildropd.relay.identity.token_answer import usable

_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is known of a login with tokens."""

    refresh_token: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ends: datetime | None = None  # by the clock on the wall


class TokenState:
    """The file of one relay."""

    def __init__(self, path: Path, origin: Sequence[str], first: str) -> None:
        """Take its place, whose login it is, and the refresh token to begin with.

        What was kept for another login, or another first token, is not ours.
        """
        self._path = path
        self._first = Kept(refresh_token=first)
        said = json.dumps([*origin, first]).encode()
        self.origin = hashlib.sha256(said).hexdigest()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have nobody else renew it meanwhile, as who was before a reload may.

        Where no lock can be had, on a full disk, say, there is none.
        """
        descriptor = self._locked()
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def load(self) -> Kept:
        """Return what was kept, or what there is to begin with."""
        try:
            with self._path.open("rb") as file:
                said = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError):
            return self._first
        if not isinstance(said, dict) or said.get("origin") != self.origin:
            return self._first
        kept = _kept(said)
        return replace(
            kept, refresh_token=kept.refresh_token or self._first.refresh_token
        )

    def keep(self, kept: Kept) -> None:
        """Write it; raise ``OSError`` if it will not be there after a power cut."""
        said = {
            "origin": self.origin,
            "refresh_token": kept.refresh_token,
            "token": kept.token,
            "ends": kept.ends.timestamp() if kept.ends else None,
        }
        durable.make_directory(self._path.parent, 0o700)
        durable.replace(self._path, [json.dumps(said).encode() + b"\n"], 0o600)

    def _locked(self) -> int | None:
        lock = self._path.with_name(f"{self._path.name}.lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError), ExitStack() as undo:
            durable.make_directory(self._path.parent, 0o700)
            descriptor = os.open(lock, flags, 0o600)
            undo.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            undo.pop_all()
            return descriptor
        return None


def _kept(said: dict[str, Any]) -> Kept:
    refresh, token, ends = (said.get(key) for key in ("refresh_token", "token", "ends"))
    try:
        at = datetime.fromtimestamp(ends, UTC) if ends else None
    except (OSError, TypeError, ValueError, OverflowError):
        at = None
    return Kept(
        refresh_token=str(refresh) if usable(refresh) else "",
        token=str(token) if usable(token) and at else "",
        ends=at,
    )
