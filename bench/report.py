# SPDX-License-Identifier: Apache-2.0
"""The order of the measurements, and what the table says of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import depth, runs
from bench.figures import Drain, Row, middle, percentiles
from bench.postfix import Postfix
from bench.runs import Place

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is run."""

    mails: int = 10_000
    deep: int = 100_000
    deeper: int = 0
    rounds: int = 3
    singles: int = 300
    starts: int = 5
    seconds: float = 30.0


QUICK = Scale(mails=1_000, deep=5_000, rounds=1, singles=50, starts=2, seconds=10.0)


def measure(
    place: Place, postfix: Postfix, scale: Scale, say: Say
) -> Iterator[list[Row]]:
    """Run everything; yield what was found, part by part."""
    yield pairs(place, postfix, scale, say)
    yield singles(place, postfix, scale, say)
    yield at_rest(place, postfix, scale, say)
    yield depths(place, scale, say)


def pairs(place: Place, postfix: Postfix, scale: Scale, say: Say) -> list[Row]:
    """Drain both, turn and turn about."""
    ours: list[Drain] = []
    pinned: list[Drain] = []
    theirs: list[Drain] = []
    for number in range(scale.rounds):
        ours.append(runs.drain(place, scale.mails))
        say(f"drain {number + 1}, maildropd: {_told(ours[-1])}")
        pinned.append(runs.drain(place, scale.mails, pinned=True))
        say(f"drain {number + 1}, on one processor: {_told(pinned[-1])}")
        theirs.append(runs.drain_postfix(place, postfix, scale.mails))
        say(f"drain {number + 1}, Postfix: {_told(theirs[-1])}")
    return [
        Row(
            what=f"drain of {scale.mails:,}, messages/s",
            ours=f"{middle(ours, 'rate'):,.0f}",
            postfix=f"{middle(theirs, 'rate'):,.0f}",
            note=_ratios(ours, theirs),
        ),
        Row(
            what="the same, CPU seconds per 1,000",
            ours=f"{middle(ours, 'cpu'):.2f}",
            postfix=f"{middle(theirs, 'cpu'):.2f}",
        ),
        Row(
            what="the same, peak memory, MB",
            ours=f"{middle(ours, 'megabytes'):.0f}",
            postfix=f"{middle(theirs, 'megabytes'):.0f}",
            note="ours: the process's largest RSS; Postfix: largest sum of PSS",
        ),
        Row(
            what="the same on one processor, messages/s",
            ours=f"{middle(pinned, 'rate'):,.0f}",
            note=f"{_ratios(pinned, theirs)}; Postfix on all",
        ),
        Row(
            what="the same, CPU seconds per 1,000",
            ours=f"{middle(pinned, 'cpu'):.2f}",
        ),
    ]


def singles(place: Place, postfix: Postfix, scale: Scale, say: Say) -> list[Row]:
    """Time single mails on both."""
    ours = runs.latency(place, scale.singles)
    theirs = runs.latency_postfix(postfix, scale.singles)
    rows = [
        Row(
            what="single mail, ms from handed over to final dot",
            ours=_spread(ours.handed),
            postfix=_spread(theirs.handed),
            note="p50 / p99; from the rename; from the end of sendmail",
        ),
        Row(
            what="single mail, ms from begun to final dot",
            ours=_spread(ours.begun),
            postfix=_spread(theirs.begun),
            note="p50 / p99; with write and fsync; with all of sendmail",
        ),
    ]
    for row in rows:
        say(f"{row.what}: {row.ours}, Postfix {row.postfix}")
    return rows


def at_rest(place: Place, postfix: Postfix, scale: Scale, say: Say) -> list[Row]:
    """Look at both while they do nothing."""
    ours = runs.idle(place, scale.seconds)
    theirs = runs.idle_postfix(postfix, scale.seconds)
    say(f"idle: {ours}, Postfix {theirs}")
    return [
        Row(
            what="idle memory, MB of PSS",
            ours=f"{ours.megabytes:.0f}",
            postfix=f"{theirs.megabytes:.0f}",
            note=f"processes: {ours.processes} and {theirs.processes}",
        ),
        Row(
            what="idle wake-ups per second",
            ours=f"{ours.wakeups:.2f}",
            postfix=f"{theirs.wakeups:.2f}",
            note="context switches of all threads",
        ),
    ]


def depths(place: Place, scale: Scale, say: Say) -> list[Row]:
    """Start and drain beside deep queues."""
    rows = [_ready(runs.ready(place, None, scale.starts), 0)]
    for count in filter(None, (scale.deep, scale.deeper)):
        state = _deep(place.folder, count)
        rows.append(_ready(runs.ready(place, state, scale.starts), count))
        rounds = scale.rounds if count == scale.deep else 1
        found = [runs.drain(place, scale.mails, state) for _ in range(rounds)]
        for each in found:
            say(f"drain beside {count:,}: {_told(each)}")
        rows += [
            Row(
                what=f"drain beside {count:,} deferred, messages/s",
                ours=f"{middle(found, 'rate'):,.0f}",
            ),
            Row(
                what="the same, peak memory, MB",
                ours=f"{middle(found, 'megabytes'):.0f}",
            ),
        ]
    return rows


def _deep(folder: Path, count: int) -> Path:
    depth.fill_store(folder / f"deep{count}", count)
    return folder / f"deep{count}" / "state"


def _ready(seconds: Sequence[float], count: int) -> Row:
    return Row(
        what=f"READY with {count:,} queued, seconds",
        ours=f"{median(seconds):.2f}",
        note=f"slowest of {len(seconds)}: {max(seconds):.2f}",
    )


def _ratios(ours: Sequence[Drain], theirs: Sequence[Drain]) -> str:
    both = zip(ours, theirs, strict=True)
    found = [one.rate / other.rate for one, other in both]
    return "per pair: " + ", ".join(f"{ratio:.1f}x" for ratio in found)


def _told(run: Drain) -> str:
    return (
        f"{run.rate:,.0f}/s, queue empty after {run.settled:.2f} s,"
        f" {run.cpu:.2f} CPU s per 1,000, {run.megabytes:.0f} MB, load {run.load:.1f}"
    )


def _spread(seconds: Sequence[float]) -> str:
    p50, p99 = percentiles(seconds)
    return f"{p50:.1f} / {p99:.1f}"
