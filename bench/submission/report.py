# SPDX-License-Identifier: Apache-2.0
"""The tables: medians of all rounds, and how many times ours each of them is."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.figures import markdown, percentiles
from bench.submission.contender import Contender
from bench.submission.runs import WAYS, Turn

Turns = Mapping[str, Sequence[Turn]]  # by the contender's name


def tables(contenders: Sequence[Contender], turns: Turns) -> str:
    """Return all of them as Markdown; the first contender is the measure."""
    parts = (_sendmails(contenders, turns), _sockets(turns), _programs(turns))
    return "\n\n".join(parts)


def told(name: str, found: Turn) -> str:
    """Return one turn in a line, and one for each socket."""
    p50, p99 = percentiles(found.row)
    text = f"{name}: sendmail {p50:.1f} / {p99:.1f} ms, {found.parallel:.0f}/s by eight"
    if found.delivered:
        text += f", delivered after {percentiles(found.delivered)[0]:.1f} ms"
    for socket in dict.fromkeys(socket for socket, _ in found.accepted):
        rates = [f"{way} {found.accepted[socket, way]:,.0f}/s" for way in WAYS]
        text += f"\n    {socket}: {', '.join(rates)}"
    for way, rate in found.running.items():
        text += f"\n    a program, {way}: {rate:,.0f}/s"
    return text


def _sendmails(contenders: Sequence[Contender], turns: Turns) -> str:
    head = ["sendmail of 2 KB", "until exit, ms", "p99", ""]
    head += ["8 at a time, mails/s", "", "until delivered, ms", ""]
    lines = [[*head, "on disk at its exit"]]
    first = turns[contenders[0].name]
    for each in contenders:
        found = turns[each.name]
        (p50, p99), rate = _row(found), _parallel(found)
        cells = [each.name, f"{p50:.1f}", f"{p99:.1f}", _times(p50, _row(first)[0])]
        cells += [f"{rate:.0f}", _times(rate, _parallel(first))]
        if each.delivers:
            delay = _delay(found)
            cells += [f"{delay:.1f}", _times(delay, _delay(first))]
        else:
            cells += ["", ""]
        lines.append([*cells, each.syncs])
    return markdown(lines)


def _sockets(turns: Turns) -> str:
    rates = {
        key: median(turn.accepted[key] for turn in found)
        for found in turns.values()
        for key in found[0].accepted
    }
    sockets = list(dict.fromkeys(socket for socket, _ in rates))
    lines = [["smtp-source, messages/s", *(cell for way in WAYS for cell in (way, ""))]]
    for socket in sockets:
        cells = [socket]
        for way in WAYS:
            rate = rates[socket, way]
            cells += [f"{rate:,.0f}", _times(rate, rates[sockets[0], way])]
        lines.append(cells)
    return markdown(lines)


def _programs(turns: Turns) -> str:
    lines = [["one running Python program", "messages/s"]]
    for found in turns.values():
        for way in found[0].running:
            rate = median(turn.running[way] for turn in found)
            lines.append([way, f"{rate:,.0f}"])
    return markdown(lines)


def _row(turns: Sequence[Turn]) -> tuple[float, float]:
    return percentiles([seconds for turn in turns for seconds in turn.row])


def _parallel(turns: Sequence[Turn]) -> float:
    return median(turn.parallel for turn in turns)


def _delay(turns: Sequence[Turn]) -> float:
    return percentiles([seconds for turn in turns for seconds in turn.delivered])[0]


def _times(found: float, ours: float) -> str:
    return f"{found / ours:.2f}x"
