# SPDX-License-Identifier: Apache-2.0
"""What both commands understand: which daemon is meant, and how to be wrong."""

import argparse
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from maildropd import __version__
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.limits import name
from maildropd.config.read import read

OK = 0
FAILED = 1
USAGE = 64  # EX_USAGE of sysexits(3)
MISCONFIGURED = 78  # EX_CONFIG

_NOBODY_AT_ALL = 2**32 - 1  # what chown(2) takes for "leave it as it is"


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line, and exits as sendmail(8) would."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 64."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser(prog: str, description: str) -> Parser:
    """Return a parser that knows the options both commands have."""
    made = Parser(prog=prog, description=description, allow_abbrev=False)
    made.add_argument("--version", action="version", version=f"{prog} {__version__}")
    which = made.add_mutually_exclusive_group()
    which.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="configuration file, or a folder that holds everything",
    )
    which.add_argument(
        "--instance", type=_instance, metavar="NAME", help="a named instance"
    )
    return made


def open_streams() -> None:
    """Let output that the caller closed, or letters he has not, be no error."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - until the end
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - until the end
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def layout(arguments: argparse.Namespace) -> Layout:
    """Return the places of the daemon that is meant."""
    if arguments.config is not None:
        return Layout.of_path(arguments.config)
    return Layout.of_host(arguments.instance or "")


def check(places: Layout) -> int:
    """Say everything that is wrong with the configuration, or that nothing is."""
    # Not needed for --version, which is to be quick.
    from maildropd.daemon.signers import signer_of
    from maildropd.host.clock import SystemClock

    try:
        config = read(places)
        signer_of(config, SystemClock())
    except ConfigErrors as errors:
        print(*errors.lines, sep="\n", file=sys.stderr)
        return MISCONFIGURED
    print(f"{config.source}: no errors")
    return OK


def _instance(text: str) -> str:
    if name(text) or text == "maildropd":
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of an instance")
    return text


def uid(text: str) -> int:
    """Return the user id that is written there, if there can be such a user."""
    if not (text.isascii() and text.isdigit() and int(text) < _NOBODY_AT_ALL):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a user")
    return int(text)
