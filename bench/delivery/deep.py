# SPDX-License-Identifier: Apache-2.0
"""What a message costs where many wait, and whether memory grows with them.

Both are taken from the first message at the server on: the start of the
daemon is the same at any depth.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import depth, meter
from bench.delivery.bench import Bench
from bench.delivery.group import group
from bench.delivery.ours import config
from bench.delivery.race import ended
from bench.delivery.server import Server
from bench.figures import markdown
from bench.waiting import until

SHALLOW = 1000
_PACE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What emptying a queue, or some of it, took."""

    delivered: int
    seconds: float  # since the first of them
    cpu: float
    memory: tuple[float, ...]  # MB, at equal intervals

    @property
    def milliseconds(self) -> float:
        """Of each message."""
        return self.seconds / max(self.delivered - 1, 1) * 1000

    @property
    def cost(self) -> float:
        """Processor seconds per 1,000."""
        return self.cpu / max(self.delivered - 1, 1) * 1000


def depths(bench: Bench) -> str:
    """Drain a thousand again and again, and very many once."""
    head = ["queued", "ms per message", "", "CPU s per 1,000", ""]
    lines = [[*head, "delivered", "MB at a quarter", "half", "the end"]]
    kept = bench.ours.box.parent / "deep"
    first = _shallow(bench, kept)
    lines.append(_row(SHALLOW, first, first))
    for count in bench.scale.depths:
        _fill(bench, kept, count)
        found = _drain(bench, kept, count)
        bench.say(f"  {count:,}: {found.milliseconds:.3f} ms, {found.cost:.2f} CPU s")
        lines.append(_row(count, found, first))
        bench.facts["depth"] = found.milliseconds / first.milliseconds
        bench.facts["depth, CPU"] = found.cost / first.cost
        bench.facts["depth, MB"] = max(found.memory)
        bench.facts["depth, deepest"] = count
    return markdown(lines)


def _shallow(bench: Bench, kept: Path) -> Drain:
    found = []
    for _ in range(bench.scale.shallow):
        _fill(bench, kept, SHALLOW)
        found.append(_drain(bench, kept, SHALLOW))
        bench.say(f"  {SHALLOW:,}: {found[-1].milliseconds:.3f} ms")
    return Drain(
        delivered=SHALLOW,
        seconds=median(each.seconds for each in found),
        cpu=median(each.cpu for each in found),
        memory=found[-1].memory,
    )


def _fill(bench: Bench, kept: Path, count: int) -> None:
    began = time.monotonic()
    shutil.rmtree(kept, ignore_errors=True)
    depth.fill_due(kept, count)
    if count > SHALLOW:
        bench.say(f"  {count:,} stored in {time.monotonic() - began:.0f} s")


def _drain(bench: Bench, kept: Path, count: int) -> Drain:
    ours, memory = bench.ours, list[float]()
    shutil.rmtree(ours.box, ignore_errors=True)
    ours.box.mkdir()
    (kept / "state").rename(ours.box / "state")
    with (
        Server(bench.place.network, bench.place.postfix) as server,
        group(bench.place.groups, "side") as side,
        ended(ours),
    ):
        daemon = ours.start(side, config(0))
        until(lambda: server.taken() > 0, "the first one comes", pace=0.001)
        before = side.cpu()
        deadline = time.monotonic() + bench.scale.deep_limit
        while server.taken() < count and time.monotonic() < deadline:
            time.sleep(_PACE if count > SHALLOW else 0.005)
            memory.append(meter.memory([daemon.pid], "Rss"))
        return Drain(
            delivered=server.taken(),
            seconds=server.last() - server.when(1),
            cpu=side.cpu() - before,
            memory=tuple(memory),
        )


def _row(count: int, found: Drain, first: Drain) -> list[str]:
    quarters = [found.memory[len(found.memory) * part // 4 - 1] for part in (1, 2, 4)]
    return [
        f"{count:,}",
        f"{found.milliseconds:.3f}",
        f"{found.milliseconds / first.milliseconds:.2f}x",
        f"{found.cost:.2f}",
        f"{found.cost / first.cost:.2f}x",
        f"{found.delivered:,}",
        *(f"{each:.0f}" for each in quarters),
    ]
