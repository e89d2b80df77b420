# SPDX-License-Identifier: Apache-2.0
"""The daemon's command; all it does itself is to understand the command line."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from maildropd.cli import arguments
from maildropd.config.layout import Layout


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; return its exit code."""
    parser = arguments.parser("maildropd", "Delivers mail that is left in a directory.")
    parser.add_argument(
        "--check", action="store_true", help="check the configuration, and exit"
    )
    parser.add_argument(
        "--detach", action="store_true", help="go on in the background, once ready"
    )
    parser.add_argument(
        "--pid-file", type=Path, metavar="FILE", help="keep the id here, locked"
    )
    parser.add_argument(
        "--log-format",
        choices=("journal", "text", "json"),
        help="where events go: the journal, or standard error",
    )
    found = parser.parse_args(argv)
    layout = arguments.layout(found)
    if found.check:
        return arguments.check(layout)
    return _run(layout, found)


def _run(layout: Layout, found: Namespace) -> int:
    # Not needed for --version or --check, which are to be quick.
    from maildropd.daemon.options import Options
    from maildropd.daemon.start import run

    return run(
        Options(
            layout=layout,
            detach=found.detach,
            pid_file=found.pid_file,
            log_format=found.log_format,
        )
    )
