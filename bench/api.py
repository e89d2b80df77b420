# SPDX-License-Identifier: Apache-2.0
"""One program that submits through maildropd.api: scripts/bench api.

A daemon with all defaults beside it, whose smarthost is not there: what is
measured is the way in, each mail durable before its call returns.
"""

import argparse
import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from bench import machine, mails
from bench.daemon import Daemon, compile_modules
from bench.figures import markdown
from bench.logs import Bin
from bench.runs import JOURNAL
from maildropd import api

IN_FLIGHT = 20
Way = Callable[[api.Door, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one way did in one round."""

    rate: float  # mails per second
    client: float  # processor time of this program, in microseconds per mail
    daemon: float  # that of the daemon, its commits included


def main() -> int:
    """Measure each way in turn, some rounds, and print the medians."""
    arguments = _arguments()
    machine.bring_up_loopback()
    runs: dict[str, list[Run]] = {name: [] for name in WAYS}
    with machine.folder() as folder, Bin(JOURNAL):
        compile_modules(folder / "compiled")
        with Daemon(folder / "ours") as daemon:
            daemon.ready()
            door = api.Door(run=folder / "ours" / "run", drop=daemon.drop)
            if arguments.cprofile:
                _profiled(door, arguments.mails)
                return 0
            for number in range(arguments.rounds):
                for name, way in WAYS.items():
                    found = _run(way, daemon, door, arguments.mails)
                    runs[name].append(found)
                    print(f"{number + 1}: {name}: {found.rate:,.0f}/s", flush=True)
        print(f"\n{machine.described(folder)}\n\n{_table(runs)}")
    return 0


def one_by_one(door: api.Door, count: int) -> None:
    """Submit a mail when the last one is safe."""
    for number in range(count):
        _submit(door, number)


def by_threads(door: api.Door, count: int) -> None:
    """Submit from eight threads."""
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: _submit(door, number), range(count)):
            pass


def by_tasks(door: api.Door, count: int) -> None:
    """Submit from one event loop, some mails at a time."""
    numbers = iter(range(count))

    async def submit() -> None:
        for number in numbers:
            message = mails.message(number)
            found = await api.submit_async(message, door=door)
            assert found.where == "socket"

    async def all_of_them() -> None:
        await asyncio.gather(*(submit() for _ in range(IN_FLIGHT)))

    asyncio.run(all_of_them())


def by_bundles(door: api.Door, count: int) -> None:
    """Stage and release ten mails at a time, as a transaction does."""
    for start in range(0, count, 10):
        numbers = range(start, start + 10)
        bundle = [api.prepare(mails.message(number)) for number in numbers]
        api.stage(bundle, door).release()


WAYS = {
    "one thread": one_by_one,
    "8 threads": by_threads,
    f"asyncio, {IN_FLIGHT} in flight": by_tasks,
    "staged and released, 10 at a time": by_bundles,
}


def _submit(door: api.Door, number: int) -> None:
    found = api.submit(mails.message(number), door=door)
    assert found.where == "socket"


def _run(way: Way, daemon: Daemon, door: api.Door, count: int) -> Run:
    way(door, 10)  # connections and imports are of the program's beginning
    own, its, begin = time.process_time(), daemon.cpu(), time.monotonic()
    way(door, count)
    seconds = time.monotonic() - begin
    return Run(
        rate=count / seconds,
        client=(time.process_time() - own) / count * 1e6,
        daemon=(daemon.cpu() - its) / count * 1e6,
    )


def _profiled(door: api.Door, count: int) -> None:
    profile = cProfile.Profile()
    profile.runcall(one_by_one, door, count)
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def _table(runs: dict[str, list[Run]]) -> str:
    cells: list[Sequence[str]] = [
        ("", "messages/s", "least", "most", "client, us", "daemon, us")
    ]
    for name, found in runs.items():
        rates = [run.rate for run in found]
        figures = (median(rates), min(rates), max(rates))
        costs = (
            median(run.client for run in found),
            median(run.daemon for run in found),
        )
        cells.append((name, *(f"{figure:,.0f}" for figure in (*figures, *costs))))
    return markdown(cells)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench api", description="Measure submissions from Python."
    )
    parser.add_argument("--mails", type=int, default=4000, help="in each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cprofile", action="store_true", help="where the time goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
