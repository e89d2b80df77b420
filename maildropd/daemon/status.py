# SPDX-License-Identifier: Apache-2.0
"""How things stand, in one line for systemd and in full for maildropctl."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from maildropd.queue.lane import Lane
from maildropd.route.base import NextHop, Way
from maildropd.store.base import State

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_TOLD = 3  # broken ways in one line


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
    lanes: Iterable[Lane],
    now: datetime,
    shortage: str = "",
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
    if shortage:
        parts.append(f"no new mail is taken ({shortage})")
    return ", ".join([*parts, *_broken(lanes)])


def _broken(lanes: Iterable[Lane]) -> list[str]:
    """Say what does not work; of hundreds of domains only how many."""
    found = [
        (lane.destination, broken)
        for lane in lanes
        if (broken := lane.breaker.broken) is not None
    ]
    told = [
        f"relay {name} {'refuses us' if broken.refused else 'fails'} ({broken.reply})"
        for name, broken in found[:_TOLD]
    ]
    more = len(found) - len(told)
    return [*told, f"{more} more fail"] if more else told


def relays(lanes: Mapping[NextHop, Lane]) -> list[dict[str, object]]:
    """Return what maildropctl shows of each relay, and of each way on this host.

    A domain's own servers are shown while mail is on its way there, or should be.
    """
    return [
        _shown(hop, lane)
        for hop, lane in lanes.items()
        if lane.asks and (hop.way is not Way.MX or _matters(lane))
    ]


def _shown(hop: NextHop, lane: Lane) -> dict[str, object]:
    broken, wait = lane.breaker.broken, lane.breaker.wait()
    in_flight = lane.in_flight
    state = "works"
    if broken is not None:
        state = "refuses" if broken.refused else "fails"
    return {
        "name": hop.relay or None,
        "way": str(hop.way),
        "destination": lane.destination,
        "works": broken is None,
        "state": state,
        "reply": None if broken is None else str(broken.reply),
        "broken_for": None if broken is None else lane.breaker.lasted().total_seconds(),
        "retry_in": None if wait is None else wait.total_seconds(),
        "connections": lane.connections,
        "in_flight": in_flight,
        "waiting": max(in_flight - lane.connections, 0),
    }


def _matters(lane: Lane) -> bool:
    return bool(lane.connections or lane.breaker.broken)
