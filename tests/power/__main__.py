# SPDX-License-Identifier: Apache-2.0
"""``python3 -m tests.power --cuts 5000``: as many power cuts as wanted, as root.

Each worker has a mount and process namespace of its own, and dies with us, so
that nothing stays mounted, and no process behind, whatever ends it.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from itertools import product
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from tests.integration.daemon import HOME
from tests.power.chain import Chain, Tally
from tests.power.disk import kinds, workshops
from tests.power.ledger import Ledger
from tests.power.machine import Machine
from tests.power.sink import Sink

_CUTS_OF_A_CHAIN = 25
ALONE = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--kill-child"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Cut, and tell; 0 if every promise was kept."""
    told = _parser().parse_args(argv)
    if told.worker:
        return _work(told)
    with ExitStack() as stack:
        told.folders = workshops()
        for folder in told.folders:
            stack.callback(shutil.rmtree, folder)
        return _manage(told)


def _manage(told: argparse.Namespace) -> int:
    """Have workers cut, and add up."""
    seed = random.SystemRandom().getrandbits(32) if told.seed is None else told.seed
    _say(f"seed {seed}")
    started = time.monotonic()
    with ExitStack() as stack:
        workers = [_worker(told, seed, number) for number in range(told.workers)]
        for worker in workers:
            stack.enter_context(worker)
            stack.callback(worker.kill)
        total = Tally()
        pool = stack.enter_context(ThreadPoolExecutor(told.workers))
        for tally in pool.map(_result, workers):
            total.add(tally)
    promises = ", ".join(f"{count} {kind}" for kind, count in total.promises.items())
    _say(
        f"seed {seed}: {total.cuts} cuts in {time.monotonic() - started:.0f} s met "
        f"these promises: {promises}; {len(total.wrongs)} broken, "
        f"{total.doubled} doubled in flight (at most {total.most_doubled} by a cut)"
    )
    return 1 if total.wrongs or not total.cuts else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.power", description="Cuts the power, and counts."
    )
    parser.add_argument("--cuts", type=int, default=100, help="in all")
    parser.add_argument("--minutes", type=float, default=1e6, help="no more than these")
    parser.add_argument("--seed", type=int, help="where the cuts fall")
    parser.add_argument("--workers", type=int, default=2, help="machines at a time")
    parser.add_argument(
        "--disks",
        nargs="+",
        default=[*kinds(), *("+".join(pair) for pair in product(kinds(), repeat=2))],
        metavar="KIND",
        help="ext4, xfs (with xfsprogs), or the drop on another one: ext4+xfs",
    )
    parser.add_argument("--product", type=Path, default=HOME, help="another checkout")
    parser.add_argument("--keep", type=Path, help="where to leave the images")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folders", type=Path, nargs=2, help=argparse.SUPPRESS)
    return parser


def _worker(
    told: argparse.Namespace, seed: int, number: int
) -> subprocess.Popen[bytes]:
    cuts = told.cuts // told.workers + (number < told.cuts % told.workers)
    words = ["--worker", f"--seed={seed + number}", f"--cuts={cuts}"]
    words += [f"--minutes={told.minutes}", f"--product={told.product}"]
    words += [f"--keep={told.keep}"] if told.keep else []
    words += ["--disks", *told.disks, "--folders", *map(str, told.folders)]
    return subprocess.Popen(
        [*ALONE, sys.executable, "-m", "tests.power", *words],
        cwd=HOME,
        stdout=subprocess.PIPE,
    )


def _result(worker: subprocess.Popen[bytes]) -> Tally:
    assert worker.stdout is not None
    total = Tally()
    for line in worker.stdout:
        tally = Tally(**json.loads(line))
        total.add(tally)
        _say("\n".join([*tally.wrongs, f"  {total.cuts} cuts, {tally.disks}"]))
    if worker.wait():
        total.wrongs.append("a worker died")
    return total


def _work(told: argparse.Namespace) -> int:
    """Run chains, one after the other, and print what came of each."""
    until = time.monotonic() + told.minutes * 60
    chance = random.Random(told.seed)
    left = told.cuts
    while left > 0 and time.monotonic() < until:
        tally = _chain(told, chance, (min(left, _CUTS_OF_A_CHAIN), until))
        _say(json.dumps(asdict(tally)))
        if tally.wrongs:
            break
        left -= tally.cuts
    return 0


def _chain(
    told: argparse.Namespace, chance: random.Random, limits: tuple[int, float]
) -> Tally:
    disks = chance.choice(told.disks)
    folder = Path(mkdtemp(dir=chance.choice(told.folders)))
    seed = chance.getrandbits(32)
    ledger = Ledger()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        machine = Machine(folder, disks.split("+"), ledger, told.product)
        stack.callback(machine.close)
        sink = stack.enter_context(Sink(ledger))
        tally = Chain(machine, ledger, sink, seed).run(*limits)
        tally.disks = disks
        if tally.wrongs:
            machine.close()
            kept = (told.keep or Path(gettempdir())) / f"maildropd-power-cut-{seed}"
            tally.wrongs.append(f"{disks}: images are kept in {kept}")
            shutil.copytree(folder, kept, ignore=_other_than_images)
    return tally


def _other_than_images(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith((".img", ".conf"))]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
