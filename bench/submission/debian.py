# SPDX-License-Identifier: Apache-2.0
"""A mail system of Debian's, started and stopped in a root of its own."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from bench import mails, meter
from bench.logs import Bin
from bench.submission.contender import ARGUMENTS, Call, Contender
from bench.submission.peers import DOMAIN, SENDMAIL, Command, Recipe
from bench.waiting import until

NAMES = {
    "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {DOMAIN} bench\n",
    "etc/mailname": f"{DOMAIN}\n",
    "etc/resolv.conf": "",  # a resolver asked would be waited for
}
MAIL = "var/tmp/mail"


class Peer:
    """One of them, running from enter to exit."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        """Set it up in an unpacked root."""
        self.root = root
        self._recipe = recipe
        for name, text in {**NAMES, **recipe.files}.items():
            (root / name).write_text(text)
        (root / MAIL).write_bytes(mails.message(0))
        for command in recipe.prepared_by:
            subprocess.run(self._inside(command), check=True)
        self._log = Bin(root / "dev/log")

    @property
    def contender(self) -> Contender:
        """What is measured of it."""
        return Contender(
            name=self._recipe.name,
            call=Call(
                root=self.root,
                argv=(SENDMAIL, *ARGUMENTS),
                mail=f"/{MAIL}",
                environ={},
            ),
            syncs=self._recipe.syncs,
            pile=self.root / self._recipe.piles if self._recipe.piles else None,
            smtp={self._recipe.name: self._recipe.smtp} if self._recipe.smtp else {},
        )

    def __enter__(self) -> Self:
        if self._recipe.daemon:
            # It is left to itself: most go into the background.
            subprocess.Popen(
                self._inside(self._recipe.daemon),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        if self._recipe.door:
            door = self.root / self._recipe.door
            until(door.exists, f"{self._recipe.name} opens its door", limit=60)
        return self

    def __exit__(self, *error: object) -> None:
        def has_ended() -> bool:
            for pid in meter.within(self.root):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            return not meter.within(self.root)

        until(has_ended, f"{self._recipe.name} ends", limit=60)
        self._log.__exit__()

    def _inside(self, command: Command) -> list[str]:
        return ["/usr/sbin/chroot", str(self.root), *command]
