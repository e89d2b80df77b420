# SPDX-License-Identifier: Apache-2.0
"""Run all measurements and print the table.

scripts/bench has made what is needed, and started us in mounts, network and
pids of our own: nothing outside is touched, and nothing of ours stays.
"""

import argparse
import sys
from itertools import chain
from pathlib import Path

from bench import machine
from bench.daemon import compile_modules
from bench.figures import table
from bench.postfix import Postfix
from bench.report import QUICK, Scale, measure
from bench.runs import Place
from tests.system.root import unpack


def main() -> int:
    """Measure, and say what was found."""
    arguments = _arguments()
    scale = QUICK if arguments.quick else Scale(deeper=arguments.deeper)
    machine.bring_up_loopback()
    with machine.folder() as folder:
        compile_modules(folder / "compiled")
        root = folder / "root"
        unpack(arguments.root, root)
        place = Place(root=root, folder=folder)
        postfix = Postfix(root)
        _say(f"submitting {scale.mails:,} mails to Postfix, by sendmail")
        postfix.submit(scale.mails)
        rows = list(chain.from_iterable(measure(place, postfix, scale, _say)))
        _say(f"\n{machine.described(folder)}\n\n{table(rows)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure maildropd beside Debian's Postfix."
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument(
        "--deeper",
        type=int,
        default=0,
        metavar="N",
        help="measure beside N deferred mails as well",
    )
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS, required=True)
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
