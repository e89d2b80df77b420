# SPDX-License-Identifier: Apache-2.0
"""The command behind maildropd-notify@.service: tell root that a unit failed.

A thousand may start at once, so what only a mail needs is imported late.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from maildropd import __version__
from maildropd.notice.book import Book
from maildropd.notice.failure import Failure, failure
from maildropd.notice.notifier import Notifier
from maildropd.notice.sender import Client, NotHanded
from maildropd.notice.tally import Terms
from maildropd.notice.witness import Systemd

_RECORD = "/var/lib/maildrop-notify"
_USAGE = 64  # EX_USAGE of sysexits(3)
_LATER = 75  # EX_TEMPFAIL


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 64."""
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Tell of one failure, or of what has been counted; return the exit code."""
    parser = _parser()
    found = parser.parse_args(argv)
    if (found.unit is None) is not found.digest:
        parser.error("name a unit, or say --digest")
    notifier = _notifier(found.window)
    try:
        if found.digest:
            for said in notifier.round():
                print(said, flush=True)
        else:
            print(notifier.failed(_failure(parser, found.unit)))
    except NotHanded as error:
        print(f"no mail could be handed over: {error}", file=sys.stderr)
        return _LATER
    except OSError as error:
        where = error.filename or "the record"
        said = f"the record cannot be kept: {where}: {error.strerror}"
        print(said, file=sys.stderr)
        return _LATER
    return 0


def _failure(parser: _Parser, unit: str) -> Failure:
    try:
        return failure(os.environ, unit, datetime.now(UTC))
    except ValueError as error:
        parser.error(str(error))


def _notifier(window: timedelta | None) -> Notifier:
    return Notifier(
        book=Book(Path(os.environ.get("STATE_DIRECTORY", _RECORD))),
        witness=Systemd(),
        sender=Client(),
        now=lambda: datetime.now(UTC),
        host=socket.gethostname() or "localhost",
        terms=Terms() if window is None else Terms(window=window),
    )


def _parser() -> _Parser:
    parser = _Parser(
        prog="maildropd-notify",
        description="Mails root that a unit failed.",
        allow_abbrev=False,
    )
    version = f"maildropd-notify {__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument(
        "--digest", action="store_true", help="tell of what was counted"
    )
    parser.add_argument(
        "--window", type=_window, metavar="TIME", help="count so long; by default 1h"
    )
    parser.add_argument("unit", metavar="UNIT", nargs="?", help="what failed")
    return parser


def _window(text: str) -> timedelta:
    # Not needed by default, and not quick.
    from maildropd.config.values import duration

    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error
