# SPDX-License-Identifier: Apache-2.0
"""One mail to many, a few very large ones, and how often each side syncs."""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.delivery.bench import OURS, POSTFIX, Bench, Runs
from bench.delivery.race import Run, run
from bench.delivery.side import From, Load
from bench.figures import markdown

_CONNECTIONS = 20
_ROUNDS = 5  # of what is over in a second
_SYNCS = re.compile(r"\b(fsync|fdatasync|sync_file_range|syncfs|sync|msync)\(")


def recipients(bench: Bench) -> str:
    """Let one mail go to many, near and far."""
    lines = [["one mail to many, seconds", "next door", "", "at 50 ms", "", "messages"]]
    load = Load(
        where=From.QUEUE,
        count=1,
        recipients=bench.scale.recipients,
        connections=_CONNECTIONS,
    )
    bench.say(f"one mail to {load.recipients:,}")
    found: list[Runs] = []
    for far in (False, True):
        bench.place.network.use(far=far)
        rounds = _ROUNDS if bench.scale.rounds > 1 else 2
        found.append(bench.runs((bench.ours, bench.postfix), load, rounds))
    bench.place.network.use(far=False)
    for name in (OURS, POSTFIX):
        cells = [name]
        for runs in found:
            seconds = _seconds(runs[name])
            cells += [f"{seconds:.2f}", f"{seconds / _seconds(runs[OURS]):.2f}x"]
        lines.append([*cells, f"{found[1][name][-1].delivered}"])
        bench.facts[f"recipients, {name}"] = _seconds(found[1][name])
    return markdown(lines)


def huge(bench: Bench) -> str:
    """Let a few mails go that are as large as mails get."""
    count, size = bench.scale.huge
    load = Load(where=From.QUEUE, count=count, size=size, connections=_CONNECTIONS)
    bench.say(f"{count} mails of {size // 1_000_000} MB")
    runs = bench.runs((bench.ours, bench.postfix), load, 1)
    head = f"{count} mails of {size // 1_000_000} MB, {_CONNECTIONS} connections"
    lines = [[head, "MB/s", "CPU s in all", "peak MB", "connections"]]
    for name, (only,) in runs.items():
        cells = [f"{only.rate * size / 1e6:,.0f}", f"{only.cpu:.1f}"]
        lines.append([name, *cells, f"{only.megabytes:,.0f}", f"{only.connections}"])
    bench.facts["huge"] = runs[OURS][0].megabytes
    return markdown(lines)


def syncs(bench: Bench) -> str:
    """Count, in runs that are not timed, how often each side syncs."""
    lines = [["syncs per mail (strace)", *(f"from the {where}" for where in From)]]
    bench.say("how often each side syncs")
    trace = bench.ours.box.parent / "syncs"
    for side in bench.sides:
        cells = [side.name]
        for where in From:
            load = Load(where=where, count=bench.scale.syncs)
            if side.takes(load):
                trace.unlink(missing_ok=True)
                slow = bench.scale.slow
                found = run(bench.place, side, load, 3 * slow, traced=trace)
                cells.append(_syncs(trace, found))
                bench.say(f"  {side.name}, {where}: {cells[-1]}")
            else:
                cells.append("")
        lines.append(cells)
    return markdown(lines)


def _seconds(runs: Sequence[Run]) -> float:
    return median(each.seconds for each in runs)


def _syncs(trace: Path, found: Run) -> str:
    if not found.delivered:
        return ""
    count = len(_SYNCS.findall(trace.read_text()))
    return f"{count / found.delivered:.2f}"
