# SPDX-License-Identifier: Apache-2.0
"""Our daemon alone, delivering, and what it costs: scripts/bench profile.

Its figures are for comparing one of our versions with another, on one machine.
"""

import argparse
import pstats
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import depth, machine, mails, meter
from bench.daemon import HOME, PINNED, Daemon, compile_modules
from bench.delivery.network import Network
from bench.delivery.ours import config
from bench.delivery.server import Server
from bench.logs import Bin
from bench.runs import JOURNAL
from bench.waiting import until
from tests.system.root import minimal_with, unpack

_SHOWN = 25  # lines of a profile
_SMALL = 0.01  # seconds: of the threads that start and end with the daemon


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What a kernel thread has used."""

    cpu: float
    gave_up: int  # context switches: it waited
    taken_off: int  # context switches: another was let run


def main() -> int:
    """Run it as often as asked for, each time on a fresh folder."""
    arguments = _arguments()
    if arguments.provide:
        minimal_with("postfix")
        return 0
    machine.bring_up_loopback()
    delay = arguments.round_trip
    with machine.folder() as folder, Network(folder, delay) as network:
        network.use(far=delay > 0)
        compile_modules(folder / "compiled")
        unpack(minimal_with("postfix"), folder / "root")
        for number in range(arguments.rounds):
            run = folder / str(number)
            run.mkdir()
            _fill(arguments, run)
            with Bin(JOURNAL), Server(network, folder / "root") as server:
                _run(server, run, arguments)
            _show(run, arguments)
            shutil.rmtree(run)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench profile", description="Measure maildropd alone."
    )
    add = parser.add_argument
    add("--drop", action="store_true", help="mails in the drop; else in the store")
    add("--mails", type=int, default=10_000, metavar="N")
    add("--size", type=int, default=mails.SIZE, metavar="OCTETS")
    add("--recipients", type=int, default=1, metavar="N", help="of one single mail")
    add("--connections", type=int, default=0, metavar="N", help="else the default")
    add("--round-trip", type=float, default=0.0, metavar="MILLISECONDS")
    add("--rounds", type=int, default=3, metavar="N")
    add("--pinned", action="store_true", help="on one processor")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--cprofile", action="store_true", help="Python, per thread")
    way.add_argument("--perf", type=Path, metavar="FILE", help="perf record -g")
    way.add_argument("--strace", action="store_true", help="count system calls")
    add("--provide", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _fill(arguments: argparse.Namespace, run: Path) -> None:
    if arguments.recipients > 1:
        arguments.mails = 1
        depth.store_one(run, [mails.recipient(n) for n in range(arguments.recipients)])
    elif arguments.drop:
        mails.fill_drop(run / "drop", arguments.mails, arguments.size)
        until(_old_enough(run / "drop"), "the mails are settled", limit=30)
    else:
        depth.fill_due(run, arguments.mails, arguments.size)


def _old_enough(drop: Path) -> Callable[[], bool]:
    """Tell whether no file will be waited for: settle_time has gone by."""
    newest = max(file.stat().st_mtime for file in drop.iterdir())
    probe = drop.parent / "probe"

    def is_settled() -> bool:
        probe.touch()
        return probe.stat().st_mtime > newest + 6

    return is_settled


def _run(server: Server, run: Path, arguments: argparse.Namespace) -> None:
    around, profiles = _around(run, arguments)
    command = [sys.executable, "-m", "bench.delivery.named", profiles]
    conf, count = config(arguments.connections), arguments.mails
    with Daemon(run, config=conf, around=around, command=command) as ours:
        until(lambda: server.taken() >= count, "all are delivered", pace=0.001)
        end = ours.drained()
        threads, memory = _threads(ours.pid), meter.highest(ours.pid)
    first, last, count = server.when(1), server.last(), server.taken()
    print(
        f"{count / (last - ours.exec):,.0f}/s from the start,"
        f" {count / max(last - first, 0.001):,.0f}/s from the first on;"
        f" {last - ours.exec:.2f} s, queue empty after {end - ours.exec:.2f} s;"
        f" {memory:.0f} MB, {server.connections} connections"
    )
    _tell(threads, count)


def _around(run: Path, arguments: argparse.Namespace) -> tuple[list[str], str]:
    around = list(PINNED) if arguments.pinned else []
    if arguments.perf:
        how = ("-F", "1999", "-g", "-o", str(arguments.perf.absolute()))
        around += ["/usr/bin/perf", "record", "-q", *how, "--"]
    if arguments.strace:
        around += ["/usr/bin/strace", "-fcqq", "-U", "calls,time,name"]
        around += ["-o", str(run / "calls")]
    return around, str(run) if arguments.cprofile else "-"


def _threads(pid: int) -> Mapping[str, Sequence[Thread]]:
    """Return what the threads that are left have used, by their names."""
    found = defaultdict(list)
    for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
        with suppress(OSError):
            fields = dict(
                line.split(":\t", 1)
                for line in (task / "status").read_text().splitlines()
                if ":\t" in line
            )
            found[re.sub(r"-\d+$", "", fields["Name"])].append(
                Thread(
                    cpu=meter.seconds(task / "stat"),
                    gave_up=int(fields["voluntary_ctxt_switches"]),
                    taken_off=int(fields["nonvoluntary_ctxt_switches"]),
                )
            )
    return found


def _tell(threads: Mapping[str, Sequence[Thread]], count: int) -> None:
    every = [each for group in threads.values() for each in group]
    for name, group in [*threads.items(), ("all", every)]:
        cpu = sum(each.cpu for each in group) / count * 1000
        waits = sum(each.gave_up for each in group) / count
        pushed = sum(each.taken_off for each in group) / count
        print(
            f"  {name:16} x{len(group):<3} {cpu:6.3f} CPU s per 1,000;"
            f" context switches per mail: {waits:.2f} waiting, {pushed:.2f} forced"
        )


def _show(run: Path, arguments: argparse.Namespace) -> None:
    profiles = sorted(run.glob("*.prof"))
    for kind in sorted({re.sub(r"[-\d.]+prof$", "", file.name) for file in profiles}):
        paths = [str(file) for file in profiles if file.name.startswith(kind)]
        stats = pstats.Stats(*paths)
        if stats.total_tt > _SMALL:  # type: ignore[attr-defined] # it is documented
            print(f"\n--- {kind}, {len(paths)} threads")
            stats.sort_stats("tottime").print_stats(_SHOWN)
    if arguments.strace:
        print((run / "calls").read_text())
    if arguments.perf:
        report = ["perf", "report", "--stdio", "--no-children", "-g", "none"]
        order = ("--sort", "comm,dso,symbol", "--percent-limit", "0.7")
        chosen = ("-i", str(arguments.perf))
        subprocess.run([*report, *order, *chosen], check=True, cwd=HOME)


if __name__ == "__main__":
    sys.exit(main())
