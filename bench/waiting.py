# SPDX-License-Identifier: Apache-2.0
"""Waiting for something to become true, with a limit."""

import time
from collections.abc import Callable

_LIMIT = 900.0


class TooSlow(Exception):
    """What was waited for did not happen."""


def until(
    holds: Callable[[], bool], what: str, *, pace: float = 0.02, limit: float = _LIMIT
) -> float:
    """Look again and again; return when it was seen to hold (``monotonic``)."""
    deadline = time.monotonic() + limit
    while not holds():
        if time.monotonic() > deadline:
            raise TooSlow(f"{what}: not within {limit:g} s")
        time.sleep(pace)
    return time.monotonic()
