# SPDX-License-Identifier: Apache-2.0
"""The command ``maildropd-smtp``: SMTP over TCP, passed on to the daemon."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from maildropd import __version__
from maildropd.cli import arguments
from maildropd.config.layout import Layout
from maildropd.daemon import gateway


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; return its exit code."""
    found = _parser().parse_args(argv)
    return gateway.run(found.socket, found.listen)


def _parser() -> argparse.ArgumentParser:
    parser = arguments.Parser(
        prog="maildropd-smtp",
        description="Take mail by SMTP over TCP, and pass it on to maildropd.",
        epilog="See maildropd-smtp(8).",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        default=Layout.of_host().sockets / "submission",
        metavar="PATH",
        help="the daemon's socket",
    )
    parser.add_argument(
        "--listen",
        type=_address,
        action="append",
        default=[],
        metavar="ADDRESS:PORT",
        help="listen here, where systemd hands over no socket",
    )
    parser.add_argument(
        "--version", action="version", version=f"{parser.prog} {__version__}"
    )
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)
