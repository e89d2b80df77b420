# SPDX-License-Identifier: Apache-2.0
"""Where mail can go, a line each: does it work, and if not, why and until when."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from maildropd.cli.words import clean, span

_HEADING = ("RELAY", "STATE", "CONNECTIONS", "WAITING", "NEXT PROBE", "WHY")


def relays(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table; each column is as wide as it must be."""
    rows = [_HEADING, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def _row(relay: Mapping[str, Any]) -> tuple[str, ...]:
    name, destination = relay["name"], relay["destination"]
    told = f"{name} ({destination})" if name else destination
    state, retry = relay["state"], relay["retry_in"]
    if not relay["works"]:
        state = f"{state} for {span(timedelta(seconds=relay['broken_for']))}"
    when = "" if retry is None else _when(timedelta(seconds=retry))
    numbers = (str(relay["connections"]), str(relay["waiting"]))
    return (clean(told), state, *numbers, when, clean(relay["reply"] or ""))


def _when(wait: timedelta) -> str:
    return f"in {span(wait)}" if wait else "with the next mail"
