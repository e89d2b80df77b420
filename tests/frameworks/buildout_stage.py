# SPDX-License-Identifier: Apache-2.0
"""A buildout with our recipe in it, run by the real zc.buildout, offline.

The checkout is installed into a folder of its own, as pip would install a
release; buildout finds it there, and the libraries beside its own.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
DEADLINE = 60.0


def installed(folder: Path) -> Path:
    """Install the checkout below a folder; return what to put on the path."""
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for name in ("maildropd", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        copied = shutil.copytree if (HOME / name).is_dir() else shutil.copy
        copied(HOME / name, source / name)
    flags = ("--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, "--target", site, source],
        check=True,
        capture_output=True,
        timeout=DEADLINE,
    )
    return site


class Buildout:
    """One buildout, and the script that it makes."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        self.home = folder / "var" / "maildrop"
        self.spool = self.home / "spool"
        self.config = folder / "maildrophost.cfg"
        self.pid_file = self.home / "maildrop.pid"
        self._site = site
        self._number = 0

    def run(self, more: str = "", **options: str) -> subprocess.CompletedProcess[str]:
        """Run buildout with these options of the section."""
        said = "".join(f"{name} = {value}\n" for name, value in options.items())
        self.write(f"[maildrophost]\nrecipe = maildropd\n{said}\n{more}")
        return self.again()

    def write(self, sections: str, parts: str = "maildrophost") -> None:
        head = f"[buildout]\nparts = {parts}\noffline = true\nnewest = false\n\n"
        (self.folder / "buildout.cfg").write_text(head + sections)

    def again(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sysconfig.get_path("scripts")) / "buildout"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self._site)},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def control(self, *words: str) -> tuple[int, str, str]:
        """Run the script; return its code, and both outputs."""
        done = subprocess.run(
            [self.folder / "bin" / "maildrophost", *words],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def end(self) -> None:
        """End its daemon, if there is one, and see that it was the only one."""
        if (self.folder / "bin" / "maildrophost").exists():
            self.control("stop")
        assert self.daemons() == []

    def drop(self, subject: str, spool: Path | None = None) -> None:
        """Leave a mail as MaildropHost did: locked while it is written."""
        self._number += 1
        path = (spool or self.spool) / str(100_000 + self._number)
        lock = path.with_name(f"{path.name}.lck")
        lock.write_bytes(b"locked")
        path.write_text(
            f"##To:r@example.net\n##From:s@x.example\nSubject: {subject}\n\nx\n"
        )
        lock.unlink()

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def daemons(self) -> list[int]:
        """Return every process that serves this buildout."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _serves(entry, self.home)
        ]


def _serves(process: Path, home: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(home / "maildropd") in words


def until(holds: Callable[[], bool], what: str) -> None:
    """Look until something holds, but not for ever."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, what
        os.sched_yield()
