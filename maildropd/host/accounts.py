# SPDX-License-Identifier: Apache-2.0
"""The host's users and groups, remembered for a minute.

A name service may be slow or away; an account may be gone by now, as that of
a service with a dynamic user.  Nothing here raises.
"""

import grp
import os
import pwd
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from maildropd.host.clock import Clock

_MEMORY = timedelta(minutes=1)
_MOST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user, as the host knows him."""

    login: str  # "uid61234" where there is no account
    full_name: str = ""
    groups: frozenset[str] = frozenset()


class Accounts:
    """Looks users up; safe to call from any thread."""

    def __init__(self, clock: Clock) -> None:
        """Know nobody yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, tuple[timedelta, Account]] = {}

    def of(self, uid: int) -> Account:
        """Return the account of a uid."""
        now = self._clock.monotonic()
        with self._lock:
            found = self._known.get(uid)
        if found and now - found[0] < _MEMORY:
            return found[1]
        account = _looked_up(uid)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[uid] = (now, account)
        return account


def _looked_up(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OSError):
        return Account(login=f"uid{uid}")
    groups = set()
    with suppress(OSError):
        for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
            with suppress(KeyError):
                groups.add(grp.getgrgid(gid).gr_name)
    return Account(
        login=entry.pw_name,
        full_name=_full_name(entry.pw_gecos, entry.pw_name),
        groups=frozenset(groups),
    )


def _full_name(gecos: str, login: str) -> str:
    """Return the first part of the comment; & stands for the login, as ever."""
    name = gecos.split(",", maxsplit=1)[0].replace("&", login.capitalize())
    return name.strip() if name.isprintable() else ""
