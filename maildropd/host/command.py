# SPDX-License-Identifier: Apache-2.0
"""Another program, run to its end: the last of what it said, within a time.

What it says may be without end; only the last part is ever held.
"""

import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

LATE = -1  # in place of a status: it was killed when its time was over
MISSING = 127  # as a shell has it
_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_URLIFY": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended, and the last of what it said on both outputs."""

    status: int
    said: bytes = b""
    cut: bool = False  # it said more, before

    @property
    def text(self) -> str:
        """What it said, with a mark for what is no UTF-8."""
        return self.said.decode("utf-8", "replace")


def run(
    argv: Sequence[str], *, stdin: bytes = b"", keep: int, within: timedelta
) -> Ended:
    """Run a program; never raise for what it does or fails to do."""
    # A file, not a pipe: one that does not read cannot hold us up.
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, fixed programs
                argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_ENVIRONMENT,
            )
        except OSError as error:
            return Ended(status=MISSING, said=f"{argv[0]}: {error}".encode())
    with process:
        try:
            return _heard(process, keep, monotonic() + within.total_seconds())
        finally:
            process.kill()


def _heard(process: subprocess.Popen[bytes], keep: int, deadline: float) -> Ended:
    assert process.stdout is not None
    output = process.stdout.fileno()
    said, cut = b"", False
    poll = select.poll()
    poll.register(output, select.POLLIN)
    while poll.poll(max(0, deadline - monotonic()) * 1000):
        piece = os.read(output, 1 << 16)
        if not piece:
            return Ended(status=_status(process, deadline), said=said, cut=cut)
        cut = cut or len(said) + len(piece) > keep
        said = (said + piece)[-keep:]
        if monotonic() > deadline:  # one that never stops talking is late, too
            break
    return Ended(status=LATE, said=said, cut=cut)


def _status(process: subprocess.Popen[bytes], deadline: float) -> int:
    """Return the status of one that says no more, though it may go on."""
    try:
        return process.wait(timeout=max(0.1, deadline - monotonic()))
    except subprocess.TimeoutExpired:
        return LATE
