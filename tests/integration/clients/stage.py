# SPDX-License-Identifier: Apache-2.0
"""A place with sockets and a drop, where a client is run against a false daemon."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypedDict, Unpack

from tests.fakes.sendmail_daemon import Act, Frame, SendmailDaemon
from tests.integration.clients.twins import Twin, check_sanity, environment

DEADLINE = 40.0
WORDS = ("-i", "--", "bob@example.net")
MAIL = b"Subject: hi\n\nA line.\n"
# Root passes through closed doors by a capability, so it is taken away.
ORDINARY: tuple[str, ...] = (
    ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
)


class How(TypedDict, total=False):
    """How a client is started."""

    name: str
    hasty: bool
    within: Sequence[str]  # a command that runs it
    stdin: int | IO[bytes]
    stdout: int | IO[bytes]
    stderr: int | IO[bytes]
    env: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A client that is through."""

    code: int
    out: bytes
    err: bytes


@dataclass(slots=True, kw_only=True)
class Stage:
    """One test's place; nothing of the host's is touched."""

    twin: Twin
    folder: Path
    _left: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.run.mkdir()
        self.drop.mkdir()

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def drop(self) -> Path:
        return self.folder / "drop"

    def serve(self, *acts: Act, at: str = "sendmail") -> SendmailDaemon:
        """Be the daemon from now on."""
        return self._left.enter_context(SendmailDaemon(self.run / at, *acts))

    def start(self, *words: str | bytes, **how: Unpack[How]) -> subprocess.Popen[bytes]:
        """Start a client, with pipes where nothing else is said."""
        program = self.twin.program(
            how.get("name", "sendmail"), hasty=how.get("hasty", False)
        )
        process = subprocess.Popen(
            [*how.get("within", ()), program, *words],
            stdin=how.get("stdin", subprocess.PIPE),
            stdout=how.get("stdout", subprocess.PIPE),
            stderr=how.get("stderr", subprocess.PIPE),
            env=how.get("env", environment(self.folder)),
        )
        self._left.enter_context(process)
        self._left.callback(process.kill)  # before it is waited for
        return process

    def sent(
        self, *words: str | bytes, mail: bytes | None = MAIL, **how: Unpack[How]
    ) -> Ended:
        """Run a client with a mail on its standard input, to its end."""
        return self.end(self.start(*(words or WORDS), **how), mail)

    def end(self, process: subprocess.Popen[bytes], mail: bytes | None = None) -> Ended:
        """Let a client have the rest of its input, and wait for it."""
        out, err = process.communicate(mail, DEADLINE)
        check_sanity(process.returncode, err or b"")
        return Ended(code=process.returncode, out=out or b"", err=err or b"")

    def dropped(self) -> list[Frame]:
        """Return what was left in the drop, and hold that nothing is half done."""
        names = sorted(path.name for path in self.drop.iterdir())
        frames = [Frame.read((self.drop / name).read_bytes()) for name in names]
        assert [frame.key for frame in frames] == names
        assert all(frame.is_whole for frame in frames)
        return frames

    def close(self) -> None:
        """End all that was started."""
        self._left.close()
