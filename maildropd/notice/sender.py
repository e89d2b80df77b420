# SPDX-License-Identifier: Apache-2.0
"""Handing a mail to the daemon, or leaving it where the daemon will look.

The package's own sendmail client does both: by the socket, else by the drop
directory.  The command /usr/sbin/sendmail may be another MTA's, or missing.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from maildropd.host.command import LATE, run

CLIENT = Path(__file__).parents[1] / "cli" / "sendmail.py"
_WITHIN = timedelta(seconds=60)  # the client waits half of that for an answer
_SAID_LIMIT = 2000


class NotHanded(Exception):
    """The mail went nowhere; try again."""


class Sender(Protocol):
    """Takes a mail to root."""

    def hand(self, mail: bytes) -> None:
        """Return when it is safe; raise ``NotHanded``."""
        ...


class Client:
    """Runs the client."""

    def __init__(self, client: Path = CLIENT) -> None:
        """Run this file."""
        self._client = client

    def hand(self, mail: bytes) -> None:
        """Submit as ``sendmail -i -f root -- root`` would."""
        words = ("-i", "-f", "root", "--", "root")
        argv = [sys.executable or "/usr/bin/python3", "-IS", str(self._client), *words]
        ended = run(argv, stdin=mail, keep=_SAID_LIMIT, within=_WITHIN)
        if ended.status == LATE:
            raise NotHanded("the client did not end in time")
        if ended.status:
            said = ended.text.strip() or f"the client ended with {ended.status}"
            raise NotHanded(said)
