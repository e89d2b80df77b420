# SPDX-License-Identifier: Apache-2.0
"""Who is measured, and how a program hands mail to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import mails

# For root, too, this is an envelope that every one of them lets pass.
ARGUMENTS = ("-i", "-f", mails.SENDER, mails.recipient(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A ``sendmail``, seen from the root it is called in."""

    root: Path
    argv: Sequence[str]
    mail: str  # the file that is handed over
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One line of the tables; what is behind it runs."""

    name: str
    call: Call
    syncs: str  # what is on the disk before ``sendmail`` ends
    pile: Path | None = None  # of mail that it does not deliver by itself
    smtp: Mapping[str, str]  # where smtp-source comes in, by the name in the table
    process: Path | None = None  # the sockets for a program that goes on running

    @property
    def delivers(self) -> bool:
        """Whether it sends on by itself what was handed over."""
        return self.pile is None
