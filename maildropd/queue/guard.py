# SPDX-License-Identifier: Apache-2.0
"""Where a bug of ours ends: what it was about waits, all else goes on."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from maildropd.mail.errors import RouteError, StoreUnusable
from maildropd.mail.event import Journal
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.mail.service_events import InternalError

T = TypeVar("T")

_OUR_BUG = Reply(451, "4.3.0", "a bug of ours")


def guarded(work: Callable[[], T], journal: Journal, where: str) -> T | None:
    """Return what comes of it, or None after a bug of ours; that is told.

    What the work may raise in the course of things passes through.
    """
    try:
        return work()
    except (RouteError, StoreUnusable, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (this mail waits; all others go on)
        trace = "".join(traceback.format_exception(error))
        journal.emit(InternalError(where=where, error=repr(error), traceback=trace))
        return None


def our_bug(relay: str) -> Outcome:
    """Return the outcome of an attempt that met one: nobody knows how far it came."""
    waiting = Outcome.waiting(_OUR_BUG, relay, Sign.CUT)
    return replace(waiting, in_doubt=True)
