# SPDX-License-Identifier: Apache-2.0
"""Run the courses, and print tables and targets.

scripts/bench has started us in mounts, network, pids and a host name of our
own: nothing outside is touched, and nothing of ours stays.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import machine
from bench.daemon import compile_modules
from bench.delivery import busy, debian, deep, group, loops, near, targets, wide
from bench.delivery.bench import QUICK, Bench, Scale
from bench.delivery.network import Network
from bench.delivery.ours import Ours
from bench.delivery.postfix import Postfix
from bench.delivery.race import Place
from bench.delivery.side import Side
from bench.submission import peers
from tests.system.root import minimal_with, unpack

ROUND_TRIP = 50.0  # milliseconds
_HABITS = (debian.EXIM, debian.OPENSMTPD, debian.NULLMAILER, debian.DMA)

COURSES: Mapping[str, Callable[[Bench], str]] = {
    "queue": near.queue,
    "drop": near.drop,
    "far": near.far,
    "recipients": wide.recipients,
    "depth": deep.depths,
    "huge": wide.huge,
    "both": busy.both,
    "syncs": wide.syncs,
}


def main() -> int:
    """Measure, and say what was found."""
    arguments = _arguments()
    if arguments.provide:
        loops.provide()
        for package in (peers.POSTFIX.package, *(h.recipe.package for h in _HABITS)):
            minimal_with(package)
        return 0
    scale = QUICK if arguments.quick else Scale()
    if arguments.whole:
        scale = replace(scale, deep_limit=3600)
    machine.bring_up_loopback()
    with machine.folder() as folder, ExitStack() as running:
        bench = _bench(folder, scale, running)
        tables = [_timed(bench, name) for name in arguments.only]
        described = machine.described(folder)
    _say("\n\n".join(["", described, *tables, targets.table(bench.facts)]))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench delivery",
        description="Measure how mail is delivered, beside other mail systems.",
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument(
        "--only",
        type=_courses,
        default=list(COURSES),
        metavar="COURSE,...",
        help=f"of {', '.join(COURSES)}",
    )
    parser.add_argument(
        "--whole", action="store_true", help="drain the deepest queue to the end"
    )
    parser.add_argument("--provide", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _courses(text: str) -> Sequence[str]:
    names = text.split(",")
    for name in names:
        if name not in COURSES:
            raise argparse.ArgumentTypeError(f"no course {name!r}")
    return names


def _bench(folder: Path, scale: Scale, running: ExitStack) -> Bench:
    compile_modules(folder / "compiled")
    network = running.enter_context(Network(folder, ROUND_TRIP))
    groups = group.mounted()
    postfix_root = folder / "postfix"
    unpack(minimal_with("postfix"), postfix_root)
    postfix = Postfix(postfix_root, groups)
    running.callback(postfix.close)
    others: list[Side] = []
    for habit in _HABITS:
        other = debian.Debian(habit, folder / habit.recipe.package, groups)
        running.callback(other.close)
        others.append(other)
    others += [
        loops.maildrophost(folder / "maildrophost"),
        loops.zope_sendmail(folder / "zope"),
    ]
    return Bench(
        place=Place(network=network, postfix=postfix_root, groups=groups),
        ours=Ours(folder / "ours"),
        postfix=postfix,
        others=others,
        scale=scale,
        say=_say,
    )


def _timed(bench: Bench, name: str) -> str:
    began = time.monotonic()
    _say(f"--- {name}")
    table = COURSES[name](bench)
    _say(f"\n{table}\n\n--- {name}: {time.monotonic() - began:.0f} s\n")
    return table


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
