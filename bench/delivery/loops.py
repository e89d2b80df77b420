# SPDX-License-Identifier: Apache-2.0
"""The loops of two Zope products: zope.sendmail's, and MaildropHost's (a stand-in).

Both make one pass over a directory, one mail after the other, and end.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import mails
from bench.daemon import HOME
from bench.delivery.group import Group
from bench.delivery.network import SERVER
from bench.delivery.rooted import files
from bench.delivery.side import Begun, From, Load
from bench.sink import PORT
from tests.system.root import cache_folder

_ZOPE = "zope.sendmail==7.3"
_QUEUE = "import sys; from zope.sendmail.queue import run; sys.exit(run())"

Write = Callable[[Path, Load], None]


class Loop:
    """A program that is started on a full directory."""

    def __init__(
        self, name: str, folder: Path, write: Write, command: Sequence[str]
    ) -> None:
        """Take how a mail is written, and what is started."""
        self.name = name
        self._folder = folder
        self._write = write
        self._command = command

    def takes(self, load: Load) -> bool:
        """It knows a directory, and nothing else."""
        return load.where is From.DROP

    def fill(self, load: Load) -> None:
        """Write the files."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._write(self._folder, load)

    def begin(self, group: Group, load: Load) -> Begun:
        """Start the pass."""
        assert load.count
        begun = Begun(at=time.monotonic())
        group.start(self._command)
        return begun

    def left(self) -> int:
        """Count the files."""
        return files([self._folder])

    def highest(self) -> float:
        """Not known."""
        return 0.0

    def end(self) -> None:
        """It ends by itself, or is killed."""


def maildrophost(folder: Path) -> Loop:
    """Return MaildropHost's loop; BATCH and WAIT_INTERVAL are 0, as shipped."""
    program = str(Path(__file__).with_name("one_loop.py"))
    log = str(folder.with_suffix(".log"))
    command = (sys.executable, "-B", program, str(folder), SERVER, str(PORT), log)
    return Loop("MaildropHost's loop", folder, _dropped, command)


def zope_sendmail(folder: Path) -> Loop:
    """Return zope.sendmail's processor, as its README starts it."""
    script = f"import sys; sys.path.insert(0, {str(_library())!r}); {_QUEUE}"
    options = ("--hostname", SERVER, "--port", str(PORT), str(folder))
    command = (sys.executable, "-c", script, *options)
    return Loop("zope.sendmail", folder, _maildir, command)


def provide() -> None:
    """Install zope.sendmail from PyPI, outside the checkout, unless it is there."""
    library = _library()
    if library.exists():
        return
    new = library.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    install = ["-m", "pip", "install", "--quiet", "--target", str(new), _ZOPE]
    subprocess.run([sys.executable, *install], check=True, cwd=HOME, stdout=sys.stderr)
    new.rename(library)


def _library() -> Path:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return cache_folder() / f"{_ZOPE}-python{python}"


def _dropped(folder: Path, load: Load) -> None:
    mails.fill_drop(folder, load.count, load.size)


def _maildir(folder: Path, load: Load) -> None:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir()
    for number in range(load.count):
        envelope = (
            f"X-Zope-From: {mails.SENDER}\nX-Zope-To: {mails.recipient(number)}\n"
        )
        text = envelope.encode() + mails.message(number, load.size)
        (folder / "new" / f"1700000000.1.bench.{number}").write_bytes(text)
    os.sync()
