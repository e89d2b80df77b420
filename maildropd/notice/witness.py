# SPDX-License-Identifier: Apache-2.0
"""What systemd and the journal know about a unit that failed.

Both are asked by their own commands: they need no right but to read, and a
notification that lacks an answer still goes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from maildropd.host.command import LATE, Ended, run

ENTRIES = 200
LOG_LIMIT = 1 << 16  # octets
_STATE_LIMIT = 1 << 13
_ASK = timedelta(seconds=10)
_READ = timedelta(seconds=30)
_PROPERTIES = "InvocationID,Result,ExecMainCode,ExecMainStatus,NRestarts"
# systemctl status has a status for each state of a unit; above are its troubles.
_KNOWN = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The last of what was logged, and what is missing before it."""

    text: str
    cut: bool = False


class Witness(Protocol):
    """Knows about units."""

    def properties(self, unit: str) -> Mapping[str, str]:
        """Return some properties; none if nobody knows."""
        ...

    def state(self, unit: str) -> str:
        """Return how the unit is now, for people."""
        ...

    def log(self, invocation: str) -> Log:
        """Return what one invocation of a unit logged, and systemd about it."""
        ...


class Systemd:
    """Asks systemctl and journalctl."""

    def properties(self, unit: str) -> Mapping[str, str]:
        """Ask for them in the form ``Name=value``."""
        argv = ["systemctl", "show", f"--property={_PROPERTIES}", "--", unit]
        ended = run(argv, keep=_STATE_LIMIT, within=_ASK)
        if ended.status:
            return {}
        pairs = (line.partition("=") for line in ended.text.splitlines())
        return {name: value for name, _, value in pairs}

    def state(self, unit: str) -> str:
        """Return what ``systemctl status`` says, without its part of the log."""
        argv = ["systemctl", "status", "--no-pager", "--full", "--lines=0", "--", unit]
        ended = run(argv, keep=_STATE_LIMIT, within=_ASK)
        if ended.status in _KNOWN:
            return ended.text
        return f"{ended.text}\n{_trouble('systemctl', ended)}"

    def log(self, invocation: str) -> Log:
        """Read the lines that carry this invocation's id, and no others."""
        argv = ["journalctl", "--quiet", "--no-pager", "--no-hostname", "--all"]
        form = ["--output=short-iso", f"--lines={ENTRIES + 1}"]
        ended = run([*argv, *form, *matches(invocation)], keep=LOG_LIMIT, within=_READ)
        if ended.status:
            return Log(text=f"{ended.text}\n{_trouble('journalctl', ended)}")
        return _bounded(ended)


def matches(invocation: str) -> tuple[str, ...]:
    """Return what finds an invocation in the journal.

    Its own lines by what the journal vouches for; those about it by what
    systemd says, and anybody else might.
    """
    own = f"_SYSTEMD_INVOCATION_ID={invocation}"
    return (own, "+", "_PID=1", f"INVOCATION_ID={invocation}")


def _bounded(ended: Ended) -> Log:
    """Leave out the entry beyond the bound, and the half of a line."""
    # Not splitlines(): what else it takes for a line end may be in an entry.
    lines = ended.text.rstrip("\n").split("\n")
    cut = ended.cut
    if cut and len(lines) > 1:
        lines = lines[1:]
    # Lines of one entry after its first begin with blanks.
    starts = [n for n, line in enumerate(lines) if not line.startswith(" ")]
    if len(starts) > ENTRIES:
        lines, cut = lines[starts[-ENTRIES] :], True
    return Log(text="\n".join(lines) + "\n", cut=cut)


def _trouble(program: str, ended: Ended) -> str:
    if ended.status == LATE:
        return f"({program} did not answer in time)"
    return f"({program} ended with status {ended.status})"
