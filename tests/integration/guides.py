# SPDX-License-Identifier: Apache-2.0
"""A migration guide, run command by command on a host that is a folder.

Every path of the guide is below that folder.  ``apt`` does nothing, ``systemctl``
starts and stops the daemon of the test, and programs of the old system are
scripts; maildropctl, sendmail and everything else are the real ones.
"""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.daemon import DEADLINE, HOME, DaemonProcess, command

GUIDES = HOME / "docs" / "migration"
_BLOCK = re.compile(r"(?ms)^```sh\n(.*?)^```$")
_PATH = re.compile(r"(?<![\w./$-])/(?=(?:etc|var|srv|home|run|opt)/)")
_CLIENT = HOME / "maildropd/cli/sendmail.py"


def commands(guide: str) -> Iterator[str]:
    """Yield the commands of a guide's blocks, in order; a comment is none."""
    text = (GUIDES / guide).read_text("utf-8")
    for block in _BLOCK.findall(text):
        lines = iter(block.replace("\\\n", "").splitlines())
        for line in lines:
            if found := re.search(r"<<-?\s*'?(\w+)'?", line):
                rest = list(iter(lambda: next(lines), found[1]))  # noqa: B023 - at once
                yield "\n".join([line, *rest, found[1]])
            elif line.strip() and not line.startswith("#"):
                yield line


@dataclass(frozen=True, kw_only=True)
class Said:
    """A command, and what came of it."""

    command: str
    output: str


class Host:
    """A folder with the places of a host in it, and the daemon of that host."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port  # of the smarthost
        self.path("/etc/maildrop").mkdir(parents=True)
        self.path("/var/spool").mkdir(parents=True)
        self.path("/var/spool/maildrop").symlink_to(self.path("/etc/maildrop"))
        self.daemon = DaemonProcess(self.path("/etc/maildrop"), port)
        self.daemon.environment = {
            "CREDENTIALS_DIRECTORY": f"{self.path('/etc/maildrop/credentials')}"
        }
        aliases = f"[names]\naliases = {self.path('/etc/aliases')}\n"
        settle = "[spool drop]\nsettle_time = 0\n"
        (self.daemon.folder / "maildropd.conf").write_text(settle + aliases)
        self._bin = root / "bin"
        self._bin.mkdir()
        self.program("maildropctl", self._ours("maildropctl", "--config"))
        self.program("sendmail", f'exec {sys.executable} -IS {_CLIENT} "$@"')

    def path(self, name: str) -> Path:
        """Return where a place of the host is."""
        return self.root / name.lstrip("/")

    def write(self, name: str, content: str | bytes) -> Path:
        """Put a file there."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def program(self, name: str, script: str) -> None:
        """Make a command that the guide may call."""
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def follow(self, guide: str) -> list[Said]:
        """Run every command of a guide; none may fail."""
        return [self._done(each) for each in commands(guide)]

    def _done(self, line: str) -> Said:
        words = shlex.split(line.partition("\n")[0])
        if words[0] in ("apt", "apt-get"):
            assert words[1] in ("install", "remove", "purge"), line
            return Said(command=line, output="")
        if words[0] == "systemctl":
            self._manage(words[1:])
            return Said(command=line, output="")
        done = subprocess.run(
            ["/bin/sh", "-ec", _PATH.sub(f"{self.root}/", line)],
            env=self._environment(),
            cwd=HOME,
            check=False,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return Said(command=line, output=done.stdout)

    def _manage(self, words: list[str]) -> None:
        verb, *units = [word for word in words if not word.startswith("--")]
        if not any(unit.startswith("maildropd") for unit in units):
            assert verb in ("stop", "disable"), words
        elif verb in ("enable", "start"):
            self.daemon.start()
        elif verb == "restart":
            self.daemon.stop()
            self.daemon.start()
        else:
            assert verb == "reload", words
            assert self.daemon.control("reload").returncode == 0

    def _environment(self) -> dict[str, str]:
        run = self.daemon.folder / "run"
        places = {"MAILDROP_RUN": f"{run}", "MAILDROP_DROP": f"{self.daemon.drop}"}
        path = f"{self._bin}:{os.environ['PATH']}"
        return {**os.environ, **self.daemon.environment, **places, "PATH": path}

    def _ours(self, name: str, *options: str) -> str:
        words = [*command(name), *options, f"{self.daemon.folder}"]
        return f'exec {shlex.join(words)} "$@"'
