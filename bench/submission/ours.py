# SPDX-License-Identifier: Apache-2.0
"""maildropd, with both of its clients, and the process behind the TCP socket."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench import mails
from bench.daemon import HOME, Daemon
from bench.logs import Bin
from bench.runs import JOURNAL
from bench.submission.contender import ARGUMENTS, Call, Contender

# As dpkg-buildflags has it.
_CC = ("cc", "-O2", "-g", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")
_TCP = "127.0.0.1:25"


class Ours:
    """It, running from enter to exit, with everything in one folder."""

    def __init__(self, folder: Path) -> None:
        """Compile the client that the deb has; copy the other one."""
        folder.mkdir()
        self._folder = folder
        self._stack = ExitStack()
        client = HOME / "packaging/sendmail/sendmail.c"
        (folder / "mail").write_bytes(mails.message(0))
        linked = ("-pie", "-Wl,-z,relro", "-Wl,-z,now")
        built = ("-o", folder / "sendmail", client)
        subprocess.run([*_CC, "-fPIE", *linked, *built], check=True)

    @property
    def contenders(self) -> Sequence[Contender]:
        """Each client; at the sockets there is one."""
        run = self._folder / "run"
        smtp = {
            "maildropd, UNIX socket": f"unix:{run}/submission",
            "maildropd, loopback": f"inet:{_TCP}",
        }
        scripted = ("/usr/bin/python3", "-IS", str(HOME / "maildropd/cli/sendmail.py"))
        return (
            Contender(
                name="maildropd",
                call=self._call([str(self._folder / "sendmail")]),
                syncs="the commit",
                smtp=smtp,
                process=run,
            ),
            Contender(
                name="maildropd, Python client",
                call=self._call(scripted),
                syncs="the commit",
                smtp={},
            ),
        )

    def __enter__(self) -> Self:
        self._stack.enter_context(Bin(JOURNAL))
        self._stack.enter_context(Daemon(self._folder)).ready()
        command = "import sys; from maildropd.cli.smtp import main; sys.exit(main())"
        at = ("--socket", self._folder / "run/submission", "--listen", _TCP)
        gateway = subprocess.Popen([sys.executable, "-c", command, *at], cwd=HOME)
        self._stack.callback(gateway.wait)
        self._stack.callback(gateway.terminate)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _call(self, command: Sequence[str]) -> Call:
        return Call(
            root=Path("/"),
            argv=(*command, *ARGUMENTS),
            mail=str(self._folder / "mail"),
            environ={
                "MAILDROP_RUN": str(self._folder / "run"),
                "MAILDROP_DROP": str(self._folder / "nobody-shall-need-it"),
            },
        )
