# SPDX-License-Identifier: Apache-2.0
"""Numbers made readable: medians, percentiles, and the table they stand in."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What emptying a queue took."""

    rate: float  # messages per second, from exec to the last at the sink
    settled: float  # seconds from exec until the queue was empty
    cpu: float  # processor seconds per 1,000 messages
    megabytes: float  # at the most
    load: float  # of the machine, before


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    postfix: str = ""
    note: str = ""


def middle(runs: Sequence[Drain], field: str) -> float:
    """Return the median of one figure."""
    return float(median(getattr(run, field) for run in runs))


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown, in columns."""
    cells = [("", "maildropd", "Postfix", "")]
    cells += [(row.what, row.ours, row.postfix, row.note) for row in rows]
    return markdown(cells)


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """Return lines of cells, the head first, as a table in even columns."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
