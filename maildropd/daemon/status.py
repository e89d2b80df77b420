# SPDX-License-Identifier: Apache-2.0
"""How things stand, in one line for systemd and in full for maildropctl."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from maildropd.queue.lane import Lane
from maildropd.store.base import State

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def age(delta: timedelta) -> str:
    """Return a rough age, ``2h``."""
    seconds = max(int(delta.total_seconds()), 0)
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "0s"


def line(
    counts: Mapping[State, int],
    oldest: datetime | None,
    lanes: Sequence[Lane],
    now: datetime,
) -> str:
    """Return the text for ``systemctl status``."""
    waiting = counts.get(State.READY, 0) + counts.get(State.DEFERRED, 0)
    parts = [f"{waiting} queued"]
    parts += [
        f"{counts[state]} {state}"
        for state in (State.DEFERRED, State.HOLD, State.FAILED)
        if counts.get(state)
    ]
    if oldest is not None:
        parts.append(f"oldest {age(now - oldest)}")
    for lane in lanes:
        if (broken := lane.breaker.broken) is not None:
            parts.append(f"relay {lane.destination} fails ({broken.reply})")
    return ", ".join(parts)


def relays(lanes: Sequence[Lane]) -> list[dict[str, object]]:
    """Return what maildropctl shows of each relay, and of each way on this host."""
    found: list[dict[str, object]] = []
    for lane in filter(lambda each: each.asks, lanes):
        broken = lane.breaker.broken
        wait = lane.breaker.wait()
        found.append(
            {
                "destination": lane.destination,
                "works": broken is None,
                "reply": None if broken is None else str(broken.reply),
                "retry_in": None if wait is None else wait.total_seconds(),
                "connections": lane.connections,
                "in_flight": lane.in_flight,
            }
        )
    return found
