# SPDX-License-Identifier: Apache-2.0
"""A migration guide, run command by command on a host that is a folder.

Every path of the guide is below that folder.  ``apt`` does nothing, ``systemctl``
starts and stops the daemon of the test, users and groups are all the same one,
and programs of the old system are scripts; all else is real.
"""

import os
import re
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.integration.daemon import DEADLINE, HOME, DaemonProcess, command

GUIDES = HOME / "docs" / "migration"
_BLOCK = re.compile(r"(?ms)^```sh\n(.*?)^```$")
_PATH = re.compile(r"(?<![\w./$\-}\"])/(?=(?:etc|var|srv|home|run|opt)/)")
_CLIENT = HOME / "maildropd/cli/sendmail.py"
_MARK = "-- command "
_ASK = """\
import socket, sys
with socket.socket(socket.AF_UNIX) as asking:
    asking.connect(sys.argv[1])
    asking.sendall("\\0".join(sys.argv[2:]).encode())
    asking.shutdown(socket.SHUT_WR)
    sys.exit(asking.recv(1) != b"y")
"""


def commands(guide: str) -> Iterator[str]:
    """Yield the commands of a guide's blocks, in order; a comment is none."""
    text = (GUIDES / guide).read_text("utf-8")
    for block in _BLOCK.findall(text):
        lines = iter(block.replace("\\\n", "").splitlines())
        for line in lines:
            if found := re.search(r"<<-?\s*'?(\w+)'?", line):
                yield "\n".join([line, *_until(lines, found[1])])
            elif line.strip() and not line.startswith("#"):
                yield line


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == end:
            return


class Host:
    """A folder with the places of a host in it, and the daemon of that host."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port  # of the smarthost
        self.running: list[subprocess.Popen[bytes]] = []  # of the old system
        self.path("/etc/maildrop").mkdir(parents=True)
        self.path("/var/spool").mkdir(parents=True)
        self.path("/var/spool/maildrop").symlink_to(self.path("/etc/maildrop"))
        self.path("/etc/systemd/system").mkdir(parents=True)
        self.daemon = DaemonProcess(self.path("/etc/maildrop"), port)
        self.daemon.environment = {
            "CREDENTIALS_DIRECTORY": f"{self.path('/etc/maildrop/credentials')}"
        }
        aliases = f"[names]\naliases = {self.path('/etc/aliases')}\n"
        settle = "[spool drop]\nsettle_time = 0\n"
        # As for root, who has followed guides until now.
        senders = "[submission]\ncheck_senders = no\n"
        main = self.daemon.folder / "maildropd.conf"
        main.write_text(f"{settle}{aliases}{senders}")
        self._bin = root / "bin"
        self._bin.mkdir()
        self._programs()

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

    def follow(self, guide: str) -> None:
        """Run every command of a guide, in one shell; none may fail."""
        script = "\n".join(
            f"echo {shlex.quote(_MARK + each)}\n{_PATH.sub(f'{self.root}/', each)}"
            for each in commands(guide)
        )
        with (
            socket.socket(socket.AF_UNIX) as asked,
            ThreadPoolExecutor(1) as beside,
        ):
            asked.bind(f"{self.root}/systemctl")
            asked.listen()
            done = beside.submit(self._shell, script)
            self._serve(asked, done)
        code, said = done.result()
        assert code == 0, f"{said.rpartition(_MARK)[2]}"

    def stop(self) -> None:
        """End everything that runs."""
        self.daemon.stop()
        for process in self.running:
            process.kill()
            process.wait()

    def _programs(self) -> None:
        words = [*command("maildropctl"), "--config", f"{self.daemon.folder}"]
        self.program("maildropctl", f'exec {shlex.join(words)} "$@"')
        self.program("sendmail", f'exec {sys.executable} -IS {_CLIENT} "$@"')
        ask = shlex.join([sys.executable, "-IS", "-c", _ASK, f"{self.root}/systemctl"])
        self.program("systemctl", f'exec {ask} "$@"')
        self.program("apt", "case $1 in install | remove | purge) ;; *) exit 1 ;; esac")
        for name in ("chown", "usermod"):
            self.program(name, "")

    def _shell(self, script: str) -> tuple[int, str]:
        run = self.daemon.folder / "run"
        places = {"MAILDROP_RUN": f"{run}", "MAILDROP_DROP": f"{self.daemon.drop}"}
        path = f"{self._bin}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-e"],
            input=script,
            env={**os.environ, **self.daemon.environment, **places, "PATH": path},
            cwd=HOME,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * DEADLINE,
        )
        return done.returncode, done.stdout

    def _serve(self, asked: socket.socket, done: Future[tuple[int, str]]) -> None:
        """Do what systemctl is told, until the shell is at its end."""
        asked.settimeout(0.1)
        while not done.done():
            with suppress(TimeoutError):
                asking, _ = asked.accept()
                with asking:
                    words = asking.makefile().read().split("\0")
                    asking.sendall(b"y" if self._manage(words) else b"n")

    def _manage(self, words: list[str]) -> bool:
        verb, *units = [word for word in words if not word.startswith("--")]
        if verb == "daemon-reload":
            return True
        if not any(unit.startswith("maildropd") for unit in units):
            return verb in ("stop", "disable")
        if verb == "enable" and "--now" not in words:
            return True
        if verb == "reload":
            return self.daemon.control("reload").returncode == 0
        if verb in ("stop", "restart"):
            self.daemon.stop()
        if verb in ("enable", "start", "restart"):
            self.daemon.start()
        return verb in ("enable", "start", "restart", "stop")
