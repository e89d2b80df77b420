# SPDX-License-Identifier: Apache-2.0
"""The courses to a server next door, and the same to one far away."""

from collections.abc import Mapping, Sequence

from bench.delivery.bench import OURS, POSTFIX, Bench, Runs, cost, rate, ratio
from bench.delivery.race import Run
from bench.delivery.side import From, Load, Side
from bench.figures import markdown

LOOP = "MaildropHost's loop"


def queue(bench: Bench) -> str:
    """Let mail that is queued be flushed."""
    found = _near(bench, From.QUEUE)
    middle = _middle(bench, From.QUEUE)
    bench.facts["queue"] = ratio(found[middle], OURS, POSTFIX)
    bench.facts["cpu"] = cost(found[middle][OURS])
    bench.facts["cpu, Postfix"] = cost(found[middle][POSTFIX])
    return _table("queue to server, messages/s", found, middle)


def drop(bench: Bench) -> str:
    """Let mail that lies in a directory be delivered."""
    found = _near(bench, From.DROP)
    middle = _middle(bench, From.DROP)
    bench.facts["drop"] = ratio(found[middle], OURS, POSTFIX)
    bench.facts["drop, loop"] = ratio(found[middle], OURS, LOOP)
    return _table("drop directory to server, messages/s", found, middle)


def far(bench: Bench) -> str:
    """Let queued mail go to a server that is far away, by more and more connections."""
    bench.place.network.use(far=True)
    found: dict[tuple[str, int], Sequence[Run]] = {}
    for number, (connections, count) in enumerate(bench.scale.far):
        load = Load(where=From.QUEUE, count=count, connections=connections)
        # The others know no such number: they run once, as they are.
        sides = bench.sides[: 2 if number else None]
        bench.say(_said(load, "far away"))
        runs = bench.runs(sides, load)
        bench.facts[f"far, {connections}"] = ratio(runs, OURS, POSTFIX)
        found |= {(name, connections): some for name, some in runs.items()}
        if number == 0:
            load = Load(where=From.DROP, count=count)
            only = [side for side in bench.others if side.name not in runs]
            runs = bench.runs(only, load, 1)
            found |= {(name, connections): some for name, some in runs.items()}
    bench.place.network.use(far=False)
    return _far_table(bench, found)


def _near(bench: Bench, where: From) -> Mapping[Load, Runs]:
    count, size = bench.scale.large
    loads = [Load(where=where, count=number) for number in bench.scale.counts]
    loads.append(Load(where=where, count=count, size=size))
    found = {}
    for load in loads:
        bench.say(_said(load, "next door"))
        # Once is enough for what takes minutes.
        rounds = 1 if load.count > 20_000 else None
        found[load] = bench.runs(_able(bench.sides, load), load, rounds)
    return found


def _able(sides: Sequence[Side], load: Load) -> Sequence[Side]:
    return [side for side in sides if side.takes(load)]


def _middle(bench: Bench, where: From) -> Load:
    """Return the load that ratios and costs are taken from."""
    return Load(where=where, count=bench.scale.counts[1])


def _said(load: Load, where: str) -> str:
    size = f"{load.size / 1000:,.0f} KB"
    return f"{load.where} to server {where}: {load.count:,} mails of {size}"


def _table(title: str, found: Mapping[Load, Runs], middle: Load) -> str:
    head = [title]
    for load in found:
        size = "" if load.size < 10_000 else f" of {load.size // 1000} KB"
        head += [f"{load.count:,}{size}", ""]
    lines = [[*head, "CPU s per 1,000", "peak MB", "connections"]]
    for name in dict.fromkeys(name for runs in found.values() for name in runs):
        cells = [name]
        for runs in found.values():
            cells += _cells(runs, name)
        own = next(
            runs[name] for runs in (found[middle], *found.values()) if name in runs
        )
        lines.append([*cells, *_costs(own)])
    return markdown(lines)


def _cells(runs: Runs, name: str) -> list[str]:
    if name not in runs:
        return ["", ""]
    mark = "*" if runs[name][-1].cut else ""
    times = ratio(runs, name, OURS)
    return [f"{_number(rate(runs[name]))}{mark}", f"{times:.2f}x"]


def _costs(runs: Sequence[Run]) -> list[str]:
    peak = max(each.megabytes for each in runs)
    return [
        f"{cost(runs):.2f}",
        f"{peak:,.0f}" if peak else "",  # it was over before it was looked at
        f"{max(each.connections for each in runs):,}",
    ]


def _far_table(bench: Bench, found: Mapping[tuple[str, int], Sequence[Run]]) -> str:
    wanted = [connections for connections, _ in bench.scale.far]
    head = ["server at 50 ms, messages/s"]
    for connections in wanted:
        head += [f"{connections} connections", "", "seen", "CPU s per 1,000"]
    lines = [head]
    for name in dict.fromkeys(name for name, _ in found):
        cells = [name]
        for connections in wanted:
            runs = found.get((name, connections))
            first = found[OURS, connections]
            if runs:
                both = {name: runs, OURS: first}
                cells += _cells(both, name)
                seen = max(each.connections for each in runs)
                cells += [f"{seen:,}", f"{cost(runs):.2f}"]
            else:
                cells += [""] * 4
        lines.append(cells)
    return markdown(lines)


def _number(found: float) -> str:
    return f"{found:,.0f}" if found >= 20 else f"{found:.1f}"
