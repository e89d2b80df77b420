# SPDX-License-Identifier: Apache-2.0
"""Run all measurements, turn and turn about, and print the tables.

scripts/bench has started us in mounts, network, pids and a host name of our
own: nothing outside is touched, and nothing of ours stays.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import machine
from bench.daemon import compile_modules
from bench.submission import peers, report
from bench.submission.contender import Contender
from bench.submission.debian import Peer
from bench.submission.ours import Ours
from bench.submission.runs import QUICK, Course, Scale, Turn
from bench.submission.smarthost import Smarthost
from tests.system.root import minimal_with, unpack


def main() -> int:
    """Measure, and say what was found."""
    arguments = _arguments()
    if arguments.provide:
        for recipe in peers.ALL:
            minimal_with(recipe.package)
        return 0
    scale = QUICK if arguments.quick else Scale()
    machine.bring_up_loopback()
    with machine.folder() as folder, ExitStack() as running:
        compile_modules(folder / "compiled")
        roots = {recipe.name: _root(recipe, folder) for recipe in peers.ALL}
        postfix = roots[peers.POSTFIX.name]
        smarthost = running.enter_context(Smarthost(postfix))
        contenders = list(running.enter_context(Ours(folder / "ours")).contenders)
        for recipe in peers.ALL:
            peer = running.enter_context(Peer(recipe, roots[recipe.name]))
            contenders.append(peer.contender)
        course = Course(smarthost, postfix, scale)
        turns = _rounds(contenders, course, scale.rounds)
        tables = report.tables(contenders, turns)
        _say(f"\n{machine.described(folder)}\n\n{tables}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench submission",
        description="Measure how mail is handed over, beside Debian's mail systems.",
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument("--provide", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _root(recipe: peers.Recipe, folder: Path) -> Path:
    root = folder / recipe.name.replace(", ", "-").lower()
    unpack(minimal_with(recipe.package), root)
    return root


def _rounds(
    contenders: Sequence[Contender], course: Course, rounds: int
) -> report.Turns:
    turns: dict[str, list[Turn]] = {each.name: [] for each in contenders}
    for number in range(rounds):
        for each in contenders:
            found = course.turn(each)
            turns[each.name].append(found)
            _say(f"{number + 1}: {report.told(each.name, found)}")
    return turns


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
